"""Figures of a seed are recorded while the slot holds one, and can be read until it is empty."""

import math

import pytest

from esper._generated.enums import SeedStage
from esper._generated.lifecycle import SeedSource
from esper.kasmina.gradients import GradientHealth
from tests.kasmina.lives import CHANNELS, UNDECIDED, slot_in

COOLING = [SeedStage.PRUNED, SeedStage.EMBARGOED, SeedStage.RESETTING]
HEALTH = GradientHealth(ratio=0.5, has_vanishing=True, has_exploding=False, epoch=3)


def figures(slot) -> dict:
    names = [name for name in vars(SeedSource) if not name.startswith("_")]
    return {name: getattr(slot, name) for name in names}


def record_everything(slot) -> None:
    slot.record_accuracy(90.0)
    slot.record_contribution(3.0)
    slot.record_gradients(HEALTH)


@pytest.mark.parametrize("stage", [*UNDECIDED, SeedStage.FOSSILIZED], ids=lambda s: s.name)
def test_figures_are_recorded_while_there_is_a_seed(stage):
    slot = slot_in(stage)
    epochs = slot.epochs_total

    record_everything(slot)

    assert slot.epochs_total == epochs + 1
    assert slot.contribution == 3.0
    assert (slot.gradient_ratio, slot.has_vanishing, slot.has_exploding) == (0.5, True, False)
    assert slot.has_gradient_health


@pytest.mark.parametrize("stage", [SeedStage.DORMANT, *COOLING], ids=lambda s: s.name)
def test_nothing_is_recorded_without_a_seed(stage):
    slot = slot_in(stage)
    before = figures(slot)

    record_everything(slot)

    assert figures(slot) == before


def test_recording_does_not_shorten_the_cool_down():
    slot = slot_in(SeedStage.PRUNED)
    ticks = 0
    while not slot.is_empty:
        slot.record_accuracy(50.0)
        slot.step_epoch()
        ticks += 1

    assert ticks == 7


def test_an_empty_capture_does_not_replace_the_latest_one():
    slot = slot_in(SeedStage.TRAINING)
    slot.record_gradients(HEALTH)

    slot.record_gradients(None)

    assert slot.gradient_ratio == 0.5


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_figure_that_is_not_finite_is_rejected(value):
    slot = slot_in(SeedStage.TRAINING)
    before = figures(slot)

    with pytest.raises(ValueError, match=f"accuracy must be finite, got {value}; leave it out"):
        slot.record_accuracy(value)
    with pytest.raises(ValueError, match=f"contribution must be finite, got {value}; leave it out"):
        slot.record_contribution(value)

    assert figures(slot) == before


@pytest.mark.parametrize(
    ("stage", "empty", "unsettled"),
    [
        (SeedStage.DORMANT, True, False),
        (SeedStage.TRAINING, False, True),
        (SeedStage.FOSSILIZED, False, False),
        (SeedStage.PRUNED, False, True),
    ],
)
def test_a_slot_is_empty_or_unsettled_or_holds_a_fossil(stage, empty, unsettled):
    slot = slot_in(stage)

    assert (slot.is_empty, slot.is_unsettled) == (empty, unsettled)


def test_a_seed_is_ready_to_hold_after_its_ramp():
    slot = slot_in(SeedStage.BLENDING)
    assert (slot.alpha, slot.is_ready_to_hold) == (0.5, False)

    slot.step_epoch()

    assert (slot.alpha, slot.is_ready_to_hold) == (1.0, True)


def test_frozen_parameters_are_counted():
    slot = slot_in(SeedStage.HOLDING)
    slot.schedule_prune(steps=3)

    assert slot.num_seed_params == 2 * CHANNELS + 1
