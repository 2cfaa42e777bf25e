"""When the evidence of a suspicion suffices: sudden damage, damage that heals, and the gradual rise of a game."""

from dataclasses import replace

import pytest
import torch

from esper._generated.enums import PanicReason
from esper.tolaria.probing.comparison import Comparison, Reference, Ruling
from esper.tolaria.probing.config import ProbeConfig
from esper.tolaria.probing.suspicion import Suspicion

CONFIG = ProbeConfig()
REFERENCE = Reference(margin=0.1, least=0.1, usual=0.5, noise=0.05, progress=2.0)


def rulings(
    differences,
    *,
    reference=REFERENCE,
    reason=PanicReason.DRIFT,
    persists_at=None,
    grown=False,
    older=0.0,
    by_itself=False,
    may_heal=False,
):
    """Return the rulings on batches with these differences between present and saved weights, up to the first decision."""
    suspicion = Suspicion(reason=reason, comparison=Comparison(snapshot_id=0))
    results = []
    for step, difference in enumerate(differences):
        suspicion.has_persisted |= step == persists_at
        saved = torch.linspace(0.4, 0.6, 16)
        suspicion.comparison.add(
            saved + difference, saved, duration_s=0.0, max_batches=CONFIG.max_batches
        )
        results.append(
            suspicion.rule(
                reference,
                CONFIG,
                have_gradients_grown=grown,
                gain_of_older=lambda: older,
                rises_by_itself=by_itself,
                min_batches=CONFIG.min_batches,
                is_last=False,
                may_heal=may_heal,
            )
        )
        if results[-1] is not Ruling.OPEN:
            break
    return results


def test_sudden_damage_is_convicted_when_the_detector_asks_for_it():
    results = rulings([0.3] * 9, reason=PanicReason.DIVERGENCE, persists_at=3)

    assert results == [Ruling.OPEN] * 3 + [Ruling.CONVICTED]


def test_the_loss_of_all_progress_needs_two_batches():
    assert len(rulings([2.5] * 9, reason=PanicReason.DIVERGENCE)) == 2


def test_the_loss_of_a_good_part_of_it_needs_four():
    results = rulings([0.6] * 9, reason=PanicReason.DIVERGENCE)

    assert (len(results), results[-1]) == (4, Ruling.CONVICTED)


def test_damage_that_heals_within_ten_steps_is_cleared():
    healing = [0.35 * 0.75**step for step in range(20)]

    assert rulings(healing, reason=PanicReason.DIVERGENCE, grown=True)[-1] is Ruling.CLEARED


@pytest.mark.parametrize("grown", [True, False, None])
def test_small_damage_that_lasts_is_convicted(grown):
    results = rulings([0.25] * 20, grown=grown)

    assert (len(results) >= CONFIG.patience, results[-1]) == (True, Ruling.CONVICTED)


def test_a_rise_that_goes_on_while_gradients_do_not_grow_is_a_game():
    rising = [0.15 + 0.02 * step for step in range(20)]

    assert rulings(rising)[-1] is Ruling.CLEARED
    assert rulings(rising, grown=True)[-1] is Ruling.CONVICTED


def test_so_is_one_that_older_snapshots_undo_even_better():
    assert rulings([0.2] * 20, older=0.4)[-1] is Ruling.CLEARED


def test_so_is_the_next_rise_of_a_loss_that_has_risen_by_itself():
    assert rulings([0.2] * 20, by_itself=True)[-1] is Ruling.CLEARED
    assert rulings([0.2] * 20, by_itself=True, grown=True)[-1] is Ruling.CONVICTED


def test_damage_that_shrinks_waits_although_the_detector_asks_to_go_back():
    shrinking = [0.7, 0.6, 0.55, 0.5, 0.45, 0.4, 0.3, 0.2, 0.1, 0.05, 0.0, 0.0]

    assert rulings(shrinking, grown=True, persists_at=1)[-1] is Ruling.CLEARED


def test_damage_after_a_bad_batch_waits_unless_half_of_the_progress_is_lost():
    assert rulings([0.6] * 20, grown=True, persists_at=1, may_heal=True) == [Ruling.OPEN] * 20
    assert len(rulings([1.2] * 9, grown=True, may_heal=True)) == 4


def test_large_damage_early_in_training_is_convicted():
    early = Reference(margin=0.12, least=0.09, usual=0.5, noise=0.12, progress=1.8)

    results = rulings([1.36, 1.28, 1.18, 1.27, 0.97], reference=early, grown=True)

    assert (len(results), results[-1]) == (4, Ruling.CONVICTED)


def test_damage_that_halves_within_eight_steps_is_left_alone_until_that_ends():
    healing = [max(0.15, 0.38 * 0.92**step) for step in range(40)]

    results = rulings(healing, grown=True, persists_at=11)

    assert results[-1] is Ruling.CONVICTED
    assert len(results) > CONFIG.patience + 2


def test_small_damage_before_there_is_any_progress_is_cleared():
    early = replace(REFERENCE, progress=0.15)

    results = rulings([0.3] * 20, reference=early, reason=PanicReason.DIVERGENCE, persists_at=3)

    assert results[-1] is Ruling.CLEARED


def test_a_rise_that_came_while_losses_were_healthy_is_gradual():
    risen = replace(REFERENCE, usual=0.68)

    assert rulings([0.3] * 20, reference=risen)[-1] is Ruling.CLEARED
    assert rulings([0.3] * 20, reference=risen, grown=True)[-1] is Ruling.CONVICTED
