"""The noise of a series: of independent losses, of a trend, and of batches that resemble those before them."""

import random

import pytest

from esper.tolaria.probing.loss_scale import LossScale


def noise_of(losses):
    """Return the noise of a series of healthy losses."""
    scale = LossScale()
    for loss in losses:
        scale.note(loss)
    return scale.noise


def draws(seed, *, trend=0.0):
    """Return 64 independent losses with a standard deviation of 0.1."""
    generator = random.Random(seed)
    return [2.0 + trend * step + generator.gauss(0.0, 0.1) for step in range(64)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("trend", [0.0, -0.02])
def test_a_trend_is_not_noise(seed, trend):
    assert noise_of(draws(seed, trend=trend)) == pytest.approx(0.1, rel=0.6)


def test_levels_that_change_every_few_batches_are_noise_although_neighbours_agree():
    generator = random.Random(0)
    levels = [generator.gauss(0.0, 0.2) for _ in range(13)]
    losses = [2.0 + levels[step // 5] + generator.gauss(0.0, 0.01) for step in range(64)]

    assert noise_of(losses) > 0.1


def test_a_short_or_constant_series_has_none():
    assert noise_of([1.0] * 7) == noise_of([1.0] * 64) == 0.0


def test_losses_of_undone_steps_are_forgotten_but_for_as_many_as_an_estimate_needs():
    scale = LossScale()
    for loss in [*draws(0)[:20], *(2.0, 9.0) * 15]:
        scale.note(loss)
    assert scale.noise > 1.0

    scale.forget_newest(30)
    assert scale.noise == pytest.approx(0.1, rel=0.6)

    scale.forget_newest(1000)
    assert scale.noise > 0.0
