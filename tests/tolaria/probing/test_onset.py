"""A small but lasting rise raises a suspicion, and noise hardly ever does."""

import random

import pytest

from esper.tolaria.probing.onset import Onset
from tests.tolaria.disk import through_disk


def alarms(scores, onset=None):
    onset = Onset() if onset is None else onset
    return [step for step, score in enumerate(scores) if onset.note(score)]


@pytest.mark.parametrize("seed", range(5))
def test_a_rise_by_one_and_a_half_deviations_is_noticed_soon(seed):
    generator = random.Random(seed)

    assert alarms(generator.gauss(1.5, 1.0) for _ in range(20))


@pytest.mark.parametrize("seed", range(5))
def test_noise_raises_few_suspicions_even_with_long_tails(seed):
    generator = random.Random(seed)

    assert len(alarms(generator.gauss(0.0, 1.0) for _ in range(5000))) <= 15
    assert len(alarms(generator.lognormvariate(0.0, 1.0) - 1.0 for _ in range(5000))) <= 60


def test_a_single_loss_raises_none():
    assert not alarms([1e9, 0.0, None, 0.0, -1.0] * 3)


def test_a_founded_suspicion_leaves_the_next_one_as_easy():
    onset = Onset()
    first = alarms([1.5] * 20, onset)
    onset.confirm()

    assert alarms([1.5] * 20, onset) == first


def test_continues_identically_after_loading_its_state():
    onset, copy = Onset(), Onset()
    alarms([1.5] * 7, onset)

    copy.load_state_dict(through_disk(onset.state_dict()))

    assert alarms([1.5] * 30, copy) == alarms([1.5] * 30, onset)
