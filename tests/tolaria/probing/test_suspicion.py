"""When the evidence of a suspicion suffices: sudden damage, damage that heals, and the gradual rise of a game."""

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
    reason=PanicReason.DRIFT,
    persists_at=None,
    grown=False,
    older=0.0,
    by_itself=False,
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
                REFERENCE,
                CONFIG,
                have_gradients_grown=grown,
                gain_of_older=lambda: older,
                rises_by_itself=by_itself,
                min_batches=CONFIG.min_batches,
                is_last=False,
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


def test_damage_that_halves_within_eight_steps_is_left_alone_until_that_ends():
    healing = [max(0.15, 0.38 * 0.92**step) for step in range(40)]

    results = rulings(healing, grown=True, persists_at=11)

    assert results[-1] is Ruling.CONVICTED
    assert len(results) > CONFIG.patience + 2
