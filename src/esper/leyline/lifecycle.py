"""Rules over the stages of a seed's life: which stage may follow which, and groups of stages.

The package `esper.kasmina` has a README that describes the stages.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from esper._generated.enums import SeedStage

ACTIVE_STAGES: Final = frozenset(
    {SeedStage.TRAINING, SeedStage.BLENDING, SeedStage.HOLDING, SeedStage.FOSSILIZED}
)
"""The seed takes part in training."""

SEED_STAGES: Final = ACTIVE_STAGES | {SeedStage.GERMINATED}
"""The slot holds a seed."""

UNDECIDED_STAGES: Final = SEED_STAGES - {SeedStage.FOSSILIZED}
"""The slot holds a seed that may still be kept or pruned."""

FAILURE_STAGES: Final = frozenset({SeedStage.PRUNED, SeedStage.EMBARGOED, SeedStage.RESETTING})
"""The seed has been removed and the slot cools down."""

FOLLOWING_STAGES: Final[Mapping[SeedStage, tuple[SeedStage, ...]]] = MappingProxyType(
    {
        SeedStage.UNKNOWN: (SeedStage.DORMANT,),
        SeedStage.DORMANT: (SeedStage.GERMINATED,),
        SeedStage.GERMINATED: (SeedStage.TRAINING, SeedStage.PRUNED),
        SeedStage.TRAINING: (SeedStage.BLENDING, SeedStage.PRUNED),
        SeedStage.BLENDING: (SeedStage.HOLDING, SeedStage.PRUNED),
        SeedStage.HOLDING: (SeedStage.FOSSILIZED, SeedStage.BLENDING, SeedStage.PRUNED),
        SeedStage.FOSSILIZED: (),
        SeedStage.PRUNED: (SeedStage.EMBARGOED,),
        SeedStage.EMBARGOED: (SeedStage.RESETTING,),
        SeedStage.RESETTING: (SeedStage.DORMANT,),
    }
)
"""The stages that may follow each stage; the first is the next stage when all goes well."""

COOL_DOWN_TICKS: Final[Mapping[SeedStage, int]] = MappingProxyType(
    {SeedStage.PRUNED: 0, SeedStage.EMBARGOED: 5, SeedStage.RESETTING: 1}
)
"""The count at which a stage of the cool-down ends. Each call of `step_epoch` adds 1 up to it, so PRUNED, with 0, ends in
the first call."""

AUTO_PRUNE_REASONS: Final = frozenset(
    {"governor_nan", "governor_lobotomy", "governor_divergence", "governor_rollback"}
)
"""Reasons of prunes that the governor decided on, not a policy; telemetry marks such prunes as automatic."""


def may_follow(stage: SeedStage, following: SeedStage) -> bool:
    """Return whether `following` may come directly after `stage`."""
    return following in FOLLOWING_STAGES[stage]


def next_stage(stage: SeedStage) -> SeedStage | None:
    """Return the stage that comes after `stage` when all goes well; None after FOSSILIZED, the last one."""
    following = FOLLOWING_STAGES[stage]
    return following[0] if following else None


def has_seed(stage: SeedStage) -> bool:
    """Return whether the slot holds a seed: GERMINATED to FOSSILIZED."""
    return stage in SEED_STAGES


def is_active(stage: SeedStage) -> bool:
    """Return whether the seed takes part in training: TRAINING to FOSSILIZED."""
    return stage in ACTIVE_STAGES


def is_undecided(stage: SeedStage) -> bool:
    """Return whether the slot holds a seed that may still be kept or pruned: GERMINATED to HOLDING."""
    return stage in UNDECIDED_STAGES


def is_failure(stage: SeedStage) -> bool:
    """Return whether the seed has been removed and the slot cools down: PRUNED, EMBARGOED or RESETTING."""
    return stage in FAILURE_STAGES
