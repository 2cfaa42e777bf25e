"""The statistics of paired comparisons, and the rule that decides."""

import math
import random
from dataclasses import asdict

import pytest
import torch

from esper.tolaria.probing.comparison import Comparison, Reference, Ruling, t_quantile
from esper.tolaria.probing.config import ProbeConfig

CONFIG = ProbeConfig()


def ruling(batches, *, margin=0.05, usual=None, limit=math.inf, min_batches=2):
    """Return the ruling on batches, each a pair of the losses under present and saved weights."""
    comparison = Comparison(snapshot_id=0, limit=limit)
    reference = Reference(margin=margin, least=margin, usual=usual, noise=0.05, progress=2.0)
    result = Ruling.OPEN
    for present, saved in batches:
        comparison.add(
            torch.tensor(present),
            torch.tensor(saved),
            duration_s=0.0,
            max_batches=CONFIG.max_batches,
        )
        result = comparison.rule(reference, CONFIG, min_batches=min_batches)
        if result is not Ruling.OPEN:
            break
    return result


def samples(level, *, seed, size=32):
    generator = random.Random(seed)
    return [level + generator.gauss(0.0, 0.1) for _ in range(size)]


def batch(present, saved, seed=0):
    return samples(present, seed=seed), samples(saved, seed=seed + 100)


@pytest.mark.parametrize(
    ("degrees", "expected"), [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (30, 2.042)]
)
def test_quantiles_of_the_t_distribution(degrees, expected):
    assert t_quantile(degrees) == pytest.approx(expected, rel=2e-3)


def test_a_clearly_better_snapshot_convicts():
    assert ruling([batch(2.5, 0.5, seed) for seed in range(4)]) is Ruling.CONVICTED


def test_losses_may_be_negative():
    assert ruling([batch(-3.0, -5.0, seed) for seed in range(4)]) is Ruling.CONVICTED


@pytest.mark.parametrize("saved", [0.5, 0.6])
def test_a_snapshot_that_does_no_better_is_cleared_after_one_batch(saved):
    assert ruling([batch(0.5, saved)]) is Ruling.CLEARED


def test_one_bad_batch_does_not_decide_for_three_good_ones():
    bad, good = batch(4.0, 3.0), [batch(0.5, 0.5, seed) for seed in (1, 2, 3)]

    assert ruling([bad, *good]) is Ruling.CLEARED


def test_a_difference_below_the_margin_does_not_convict():
    batches = [batch(0.53, 0.5, seed) for seed in range(4)]

    assert ruling(batches, margin=0.1) is Ruling.CLEARED
    assert ruling([batch(0.9, 0.5, seed) for seed in range(4)], margin=0.1) is Ruling.CONVICTED


def test_a_difference_that_explains_little_of_the_rise_does_not_convict():
    batches = [batch(12.0, 11.0, seed) for seed in range(4)]

    assert ruling(batches, usual=None) is Ruling.CONVICTED
    assert ruling(batches, usual=0.1) is Ruling.CLEARED


@pytest.mark.parametrize("limit", [math.inf, 2.3])
def test_exploding_losses_do_not_hide_in_their_own_spread(limit):
    losses = [3e2, 9e3, 2e6, 4e9]
    batches = [([loss] * 4, [0.5] * 4) for loss in losses]

    assert ruling(batches, limit=limit, usual=0.5) is Ruling.CONVICTED


def test_weights_that_do_worse_in_every_batch_are_not_cleared():
    differences = [0.1, 2.0, 0.3, 4.0]
    batches = [
        ([0.5 + one] * 4, [0.5 + one * 0.1 * place for place in range(-2, 2)])
        for one in differences
    ]

    assert ruling(batches, usual=0.5) is not Ruling.CLEARED


def test_the_snapshot_must_undo_most_of_the_rise():
    batches = [batch(3.5, 2.3, seed) for seed in range(4)]

    assert ruling(batches, usual=0.5) is Ruling.CLEARED
    assert ruling(batches, usual=2.2) is Ruling.CONVICTED


def test_scalars_are_compared_by_batches():
    assert ruling([(2.5, 0.5)]) is Ruling.OPEN
    assert ruling([(2.5, 0.5), (2.4, 0.6), (2.6, 0.5), (2.3, 0.4)]) is Ruling.CONVICTED
    assert ruling([(0.5, 0.5), (0.4, 0.6)]) is Ruling.CLEARED


def test_losses_that_are_not_finite_under_the_present_weights_only_convict():
    assert ruling([([0.5, math.nan], [0.5, 0.5])]) is Ruling.CONVICTED
    assert ruling([([math.nan, 0.5], [math.nan, 0.5])] * 4) is Ruling.CLEARED


def test_continues_identically_after_a_round_trip():
    comparison = Comparison(snapshot_id=3, limit=2.0)
    comparison.add(
        torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.5]), duration_s=0.1, max_batches=4
    )

    assert Comparison.from_state_dict(asdict(comparison)) == comparison
