"""The default policy plants early where samples are new, and late, after a trial, where the host has learned by heart."""

import dataclasses

import pytest

from esper._generated.enums import SeedStage
from esper.leyline.actions import Germinate, Rejuvenate
from esper.leyline.signals import SlotSignals, TrainingSignals
from esper.tamiyo.evidence import EvidenceConfig, EvidencePolicy

EMPTY = SlotSignals(
    slot_id="a",
    topology="mlp",
    stage=SeedStage.DORMANT,
    blueprint_id=None,
    alpha=0.0,
    is_ready_to_hold=False,
    epochs_in_stage=0,
    total_improvement=0.0,
    stage_improvement=0.0,
    contribution=None,
    blueprint_sizes={"norm": 9},
)


def signals(epoch, epochs, gap, *, restarted_after=0, pulls=(2.0, 1.0)):
    """Return the signals of a host of two empty slots whose decision loss falls, `gap` of it above the training loss."""
    loss = 2.3 * 0.97**epoch
    return TrainingSignals(
        epoch=epoch,
        epochs=epochs,
        val_loss=loss,
        val_accuracy=50.0,
        may_germinate=True,
        slots=tuple(
            dataclasses.replace(EMPTY, slot_id=name, place_signal=pull)
            for name, pull in zip("ab", pulls, strict=True)
        ),
        train_loss=(1.0 - gap) * loss,
        random_guess_loss=2.3,
        restarted_after=restarted_after,
        num_params=60,
        num_host_params=60,
    )


def first_actions(epochs, gap, *, is_kept=True):
    """Return the epochs and actions of a run until seeds are planted; a trial ends at once, with the given result."""
    policy = EvidencePolicy(EvidenceConfig(blueprint_ids=("norm",)))
    found, restarted_after = [], 0
    for epoch in range(1, epochs + 1):
        actions = policy.decide(signals(epoch, epochs, gap, restarted_after=restarted_after))
        found += [(epoch, one) for one in actions if isinstance(one, Germinate | Rejuvenate)]
        if any(isinstance(one, Germinate) for one in actions):
            break
        if actions and is_kept:
            restarted_after = epoch
    return found


def test_new_samples_get_seeds_early_and_everywhere():
    """A fifth of twenty epochs lies within the fresh passes; nothing is rejuvenated."""
    found = first_actions(20, 0.02)
    assert [(epoch, action.slot_id) for epoch, action in found] == [(4, "a"), (4, "b")]


def test_a_host_that_has_learned_by_heart_is_tried_before_the_strongest_place_gets_a_seed():
    """The trial costs the updates of the host alone; the rejuvenation at planting needs none."""
    (tried, trial), (planted, seed), (renewed, again) = first_actions(60, 0.5)
    assert isinstance(trial, Rejuvenate)
    assert trial.trial_share > 0.0
    assert tried < planted == renewed == 36
    assert seed.slot_id == "a"
    assert again == Rejuvenate(trial_share=0.0)


def test_after_two_refused_trials_seeds_are_planted_at_once():
    """Nothing is gained by waiting, and nothing is rejuvenated."""
    (first, _), (second, trial), (planted, seed) = first_actions(60, 0.5, is_kept=False)
    assert (second, planted) == (first + 1, first + 2)
    assert isinstance(trial, Rejuvenate)
    assert isinstance(seed, Germinate)


def test_new_samples_of_a_long_run_wait():
    """Its first fifth lies beyond the fresh passes, so the host may still learn by heart."""
    assert [epoch for epoch, _ in first_actions(60, 0.02)] == [36]


@pytest.mark.parametrize("resumed", [False, True])
def test_a_place_is_chosen_by_the_mean_of_its_signal(resumed):
    """A single epoch of a strong signal does not win, in a resumed run either."""
    config = EvidenceConfig(blueprint_ids=("norm",), max_rejuvenations=0)
    policy = EvidencePolicy(config)
    for epoch in range(1, 36):
        assert not policy.decide(signals(epoch, 60, 0.5))
    if resumed:
        state = policy.state_dict()
        policy = EvidencePolicy(config)
        policy.load_state_dict(state)
    actions = policy.decide(signals(36, 60, 0.5, pulls=(1.0, 9.0)))
    assert [one.slot_id for one in actions if isinstance(one, Germinate)] == ["a"]
