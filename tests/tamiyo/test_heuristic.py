"""The heuristic policy plants, advances and prunes seeds by its rules."""

import dataclasses

import pytest

from esper._generated.enums import SeedStage
from esper.leyline.actions import Advance, Germinate, Prune
from esper.leyline.signals import SlotSignals, TrainingSignals
from esper.tamiyo.heuristic import HeuristicConfig, HeuristicPolicy
from tests.kasmina.made_evidence import evidence

CONFIG = HeuristicConfig()
EMPTY = SlotSignals(
    slot_id="r0c0",
    topology="cnn",
    stage=SeedStage.DORMANT,
    blueprint_id=None,
    alpha=0.0,
    is_ready_to_hold=False,
    epochs_in_stage=0,
    total_improvement=0.0,
    stage_improvement=0.0,
    contribution=None,
)


def seed(stage: SeedStage, **changes) -> SlotSignals:
    return dataclasses.replace(EMPTY, stage=stage, blueprint_id="norm", **changes)


def signals(epoch: int, *slots: SlotSignals, accuracy=90.0, may_germinate=True) -> TrainingSignals:
    return TrainingSignals(
        epoch=epoch,
        epochs=100,
        val_loss=0.5,
        val_accuracy=accuracy,
        may_germinate=may_germinate,
        slots=slots or (EMPTY,),
    )


def on_plateau(**kwargs) -> tuple[HeuristicPolicy, int]:
    """Return a policy one epoch before it has seen a plateau of the required length, and that epoch."""
    policy = HeuristicPolicy(HeuristicConfig(**kwargs))
    first = CONFIG.warm_up_epochs
    for epoch in range(first, first + CONFIG.plateau_epochs):
        assert list(policy.decide(signals(epoch))) == []
    return policy, first + CONFIG.plateau_epochs


def test_plants_a_seed_when_the_host_stops_improving():
    policy, epoch = on_plateau()

    (action,) = policy.decide(signals(epoch))

    assert action == Germinate(slot_id="r0c0", blueprint_id="conv_light", blend_tempo_epochs=3)


def test_plants_nothing_while_the_host_improves():
    policy = HeuristicPolicy()

    actions = [policy.decide(signals(e, accuracy=50.0 + e)) for e in range(1, 40)]

    assert all(list(action) == [] for action in actions)


@pytest.mark.parametrize(
    "changes",
    [
        {"may_germinate": False},
        {"epochs": 18},
        {"slots": (seed(SeedStage.TRAINING),)},
        {"slots": (seed(SeedStage.PRUNED),)},
    ],
    ids=["after a rollback", "too late", "a seed is live", "no slot is empty"],
)
def test_plants_nothing_when_it_may_not(changes):
    policy, epoch = on_plateau()

    actions = policy.decide(dataclasses.replace(signals(epoch), **changes))

    assert not any(isinstance(action, Germinate) for action in actions)


@pytest.mark.parametrize(
    ("slot", "action"),
    [
        (seed(SeedStage.GERMINATED), Advance(slot_id="r0c0")),
        (seed(SeedStage.TRAINING, epochs_in_stage=2), None),
        (seed(SeedStage.TRAINING, epochs_in_stage=3), Advance(slot_id="r0c0")),
        (
            seed(SeedStage.TRAINING, epochs_in_stage=13),
            Prune(slot_id="r0c0", reason="never_ready"),
        ),
        (
            seed(SeedStage.TRAINING, epochs_in_stage=5, stage_improvement=-2.1),
            Advance(slot_id="r0c0"),
        ),
        (seed(SeedStage.BLENDING, epochs_in_stage=2), None),
        (
            seed(SeedStage.BLENDING, epochs_in_stage=3, is_ready_to_hold=True),
            Advance(slot_id="r0c0"),
        ),
        (
            seed(SeedStage.BLENDING, epochs_in_stage=5, stage_improvement=-2.1),
            Prune(slot_id="r0c0", reason="accuracy_fell"),
        ),
        (seed(SeedStage.HOLDING, contribution=None), None),
        (seed(SeedStage.HOLDING, contribution=1.0), Advance(slot_id="r0c0")),
        (seed(SeedStage.HOLDING, contribution=0.9, epochs_in_stage=5), None),
        (
            seed(SeedStage.HOLDING, contribution=0.9, epochs_in_stage=6),
            Prune(slot_id="r0c0", reason="low_contribution"),
        ),
        (
            seed(SeedStage.HOLDING, contribution=0.0, evidence=evidence(low=0.02, price=0.01)),
            Advance(slot_id="r0c0"),
        ),
        (seed(SeedStage.HOLDING, contribution=9.0, evidence=evidence(low=0.01, price=0.01)), None),
    ],
)
def test_acts_on_a_seed_by_its_stage(slot, action):
    actions = HeuristicPolicy().decide(signals(10, slot))

    assert list(actions) == ([] if action is None else [action])


def test_waits_after_a_seed_was_pruned():
    policy, epoch = on_plateau()
    policy.decide(signals(epoch, seed(SeedStage.TRAINING, epochs_in_stage=13)))

    planted = [
        later
        for later in range(epoch + 1, epoch + 20)
        if any(isinstance(a, Germinate) for a in policy.decide(signals(later)))
    ]

    assert planted[0] == epoch + CONFIG.cool_down_epochs


def test_does_not_repeat_the_blueprint_that_just_failed():
    policy, epoch = on_plateau(blueprint_ids=("norm", "depthwise"))
    policy.decide(signals(epoch, seed(SeedStage.TRAINING, epochs_in_stage=13)))

    planted = [
        action.blueprint_id
        for later in range(epoch + 1, epoch + 6)
        for action in policy.decide(signals(later))
    ]

    assert planted == ["depthwise"]


def test_continues_from_a_saved_state_as_if_not_interrupted():
    def play(policy: HeuristicPolicy, epochs: range):
        slot = seed(SeedStage.TRAINING, epochs_in_stage=13)
        return [list(policy.decide(signals(e, slot if e % 9 == 0 else EMPTY))) for e in epochs]

    whole, first, second = HeuristicPolicy(), HeuristicPolicy(), HeuristicPolicy()
    expected = play(whole, range(1, 60))[30:]
    play(first, range(1, 31))

    second.load_state_dict(first.state_dict())

    assert play(second, range(31, 60)) == expected


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"blueprint_ids": ()}, "blueprint_ids must be a tuple of at least one name"),
        (
            {"blueprint_ids": "norm"},
            "blueprint_ids must be a tuple of at least one name, got 'norm'",
        ),
        ({"blueprint_ids": (3,)}, "a name in blueprint_ids must be of type str, got 3"),
        ({"blend_tempo_epochs": 2.5}, "blend_tempo_epochs must be a whole number, got 2.5"),
        ({"cool_down_epochs": -1}, "cool_down_epochs must be at least 0, got -1"),
        ({"min_contribution": "x"}, "min_contribution must be a number, got 'x'"),
    ],
)
def test_limits_out_of_range_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        HeuristicConfig(**limits)


def test_every_limit_is_checked():
    for field in dataclasses.fields(HeuristicConfig):
        with pytest.raises(ValueError, match=f"{field.name} must be"):
            HeuristicConfig(**{field.name: None})


def test_a_config_of_another_type_is_refused():
    with pytest.raises(
        ValueError, match=r"config must be of type HeuristicConfig, got .* dict; write"
    ):
        HeuristicPolicy({})
