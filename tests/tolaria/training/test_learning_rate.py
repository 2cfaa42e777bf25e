"""The schedule of the learning rate."""

import pytest

from esper.tolaria.training.learning_rate import cosine_factor


def test_the_cosine_falls_from_one_to_its_floor():
    factors = [cosine_factor(epoch, 10, floor=0.1) for epoch in range(1, 11)]

    assert factors[0] == 1.0
    assert factors[-1] == pytest.approx(0.1)
    assert factors == sorted(factors, reverse=True)
    assert cosine_factor(1, 1) == 1.0
