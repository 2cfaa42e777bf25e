"""The interval for the mean of differences holds where a plain one does not."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esper.kasmina.interval import mean_interval
from esper.leyline.student import student_quantile

NUM_SETS = 2000


@pytest.mark.parametrize(
    ("error_rate", "freedom", "expected"),
    [
        # From the tables in Abramowitz and Stegun, 26.10.
        (0.025, 1, 12.706),
        (0.005, 2, 9.925),
        (0.025, 4, 2.776),
        (0.0005, 4, 8.610),
        (0.0005, 10, 4.587),
        (0.005, 30, 2.750),
        (0.0005, 120, 3.373),
    ],
)
def test_quantiles_are_those_of_the_tables(error_rate, freedom, expected):
    assert student_quantile(error_rate, freedom) == pytest.approx(expected, abs=6e-4)


def skewed(numbers):
    """Turn normal numbers into ones of mean zero that are usually a little above and rarely far below."""
    return math.exp(0.5) - torch.exp(numbers)


@pytest.mark.parametrize(
    "shape",
    [torch.clone, torch.sinh, skewed, torch.sign],
    ids=["normal", "heavy tails", "skewed", "ties"],
)
@pytest.mark.parametrize("num_samples", [30, 200])
def test_a_bound_is_wrong_as_rarely_as_promised(shape, num_samples):
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(NUM_SETS, num_samples, generator=generator, dtype=torch.float64)

    bounds = [mean_interval(values, 0.05) for values in shape(normal)]

    # A twentieth each; three standard errors of 2,000 sets are 0.015.
    for num_wrong in (sum(low > 0.0 for low, _ in bounds), sum(high < 0.0 for _, high in bounds)):
        assert num_wrong / NUM_SETS < 0.05 + 0.015


numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, min_size=1, max_size=50), st.floats(1e-9, 0.4))
def test_the_interval_contains_the_mean_and_mirrors_with_the_values(values, error_rate):
    sample = torch.tensor(values, dtype=torch.float64)

    low, high = mean_interval(sample, error_rate)

    slack = 1e-9 * (1.0 + float(sample.abs().max()))
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low - slack <= float(sample.mean()) <= high + slack
    assert mean_interval(-sample, error_rate) == pytest.approx((-high, -low), abs=slack)


@given(st.integers(1, 8), st.floats(1e-3, 10.0))
def test_a_few_equal_values_prove_nothing(num_values, value):
    low, high = mean_interval(torch.full((num_values,), value, dtype=torch.float64), 0.01)

    assert low < 0.0
    assert high > 1.2 * value


def test_differences_whose_cubes_are_too_small_for_a_float_are_compared():
    low, high = mean_interval(torch.tensor([1e-120, 2e-120], dtype=torch.float64), 0.01)

    assert low < 0.0 < 2e-120 < high


def test_values_that_are_all_zero_give_an_interval_of_zero():
    assert mean_interval(torch.zeros(100, dtype=torch.float64), 0.01) == (0.0, 0.0)
