"""The faults of the campaign."""

from faults_campaign import injections
from faults_campaign.network import EPOCH_STEPS
from faults_campaign.schedule import Fault, Injection, Sign, Strike

TO_THE_END = 10**9


def _alarming(inject: Injection, *, at: int = 0, steps: int = 1) -> Strike:
    """Return a strike that the guardian must react to."""
    return Strike(inject=inject, sign=Sign.ALARM, at=at, steps=steps)


def _forced_rollback(at: int) -> Strike:
    """Return a NaN loss that makes the governor roll back, for faults in snapshots and telemetry."""
    return Strike(inject=injections.nan_loss, sign=None, at=at)


FAULTS = (
    Fault("nan_loss", "a loss is NaN", (_alarming(injections.nan_loss),)),
    Fault("nan_inputs", "three batches of NaN", (_alarming(injections.nan_inputs, steps=3),)),
    Fault("inf_gradient", "a gradient is infinite", (_alarming(injections.infinite_gradient),)),
    Fault(
        "nan_host_weight", "NaN in a weight of the host", (_alarming(injections.nan_host_weight),)
    ),
    Fault(
        "nan_seed_weight",
        "NaN in a weight of a blending seed",
        (_alarming(injections.nan_seed_weight),),
        is_ready=injections.has_blending_seed,
    ),
    Fault(
        "nan_moment",
        "NaN in a moment of the optimizer",
        (_alarming(injections.nan_moment),),
        is_ready=injections.has_moment,
    ),
    Fault(
        "learning_rate",
        "learning rate x100 for ten steps",
        (_alarming(injections.learning_rate_x100, steps=10),),
    ),
    Fault("wiped_weights", "all weights of the host wiped", (_alarming(injections.wiped_weights),)),
    Fault(
        "slow_drift",
        "weights drift for a hundred steps",
        (_alarming(injections.drifting_weights, steps=100),),
    ),
    Fault(
        "shuffled_labels",
        "labels shuffled for two epochs",
        (_alarming(injections.shuffled_labels, steps=2 * EPOCH_STEPS),),
    ),
    Fault(
        "flipped_bit",
        "a bit flipped in the newest snapshot",
        (Strike(inject=injections.flipped_bit, sign=Sign.CORRUPT), _forced_rollback(at=1)),
        is_inner=True,
    ),
    Fault(
        "interrupted_copy",
        "an exception in the middle of a snapshot's copy",
        (
            Strike(inject=injections.interrupted_copy, sign=Sign.NOT_COPIED, steps=EPOCH_STEPS + 1),
            _forced_rollback(at=EPOCH_STEPS + 1),
        ),
        is_inner=True,
    ),
    Fault(
        "no_memory",
        "no memory for a snapshot",
        (
            Strike(inject=injections.no_memory, sign=Sign.NOT_COPIED, steps=EPOCH_STEPS + 1),
            _forced_rollback(at=EPOCH_STEPS + 1),
        ),
        is_inner=True,
    ),
    Fault(
        "raising_sink",
        "a sink that raises during a rollback",
        (Strike(inject=injections.raising_sink, sign=None), _forced_rollback(at=0)),
        is_inner=True,
    ),
    Fault(
        "hanging_sink",
        "a sink that hangs during a rollback",
        (Strike(inject=injections.hanging_sink, sign=None), _forced_rollback(at=0)),
        is_inner=True,
    ),
    Fault(
        "two_faults",
        "weights wiped, ten steps later NaN in one",
        (_alarming(injections.wiped_weights), _alarming(injections.nan_host_weight, at=10)),
    ),
    Fault(
        "persistent",
        "nothing but NaN from some step on",
        (_alarming(injections.nan_inputs, steps=TO_THE_END),),
        must_stop=True,
    ),
)

CONTROL = Fault(
    "control",
    "no fault, but batches in another order",
    (Strike(inject=injections.other_order, sign=None),),
)
"""Shows how much accuracy differs by chance alone."""
