"""A capture compares the gradients of seed and host."""

import math

import pytest
import torch
from torch import nn

from esper.kasmina.gradients import GradientHealth, capture_gradient_health


class Planted:
    """The part of a slot that a capture needs: the parameters of its seed."""

    def __init__(self, *gradients) -> None:
        self.parameters = parameters(*gradients)

    def seed_parameters(self):
        return iter(self.parameters)

    def check_seed_ran(self):
        """Pass: these gradients are set by hand."""


def parameters(*gradients) -> list[nn.Parameter]:
    """Return a parameter for each gradient; None stands for a parameter without a gradient."""
    made = []
    for gradient in gradients:
        parameter = nn.Parameter(torch.zeros(1 if gradient is None else len(gradient)))
        parameter.grad = None if gradient is None else torch.tensor(gradient)
        made.append(parameter)
    return made


HOST = parameters([3.0, 0.0], [0.0, 4.0])


def capture(*gradients, host=HOST) -> GradientHealth:
    return capture_gradient_health(Planted(*gradients), host, epoch=7)


def test_the_ratio_is_per_square_root_of_parameters():
    health = capture([1.0], None)

    assert health.ratio == pytest.approx(1.0 / 5.0 * math.sqrt(4 / 1))
    assert (health.has_vanishing, health.has_exploding, health.epoch) == (False, False, 7)


@pytest.mark.parametrize(
    ("norm", "vanishing", "exploding"),
    [(9e-8, True, False), (2e-7, False, False), (99.0, False, False), (101.0, False, True)],
)
def test_a_gradient_vanishes_or_explodes(norm, vanishing, exploding):
    health = capture([norm])

    assert (health.has_vanishing, health.has_exploding) == (vanishing, exploding)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_explodes_and_has_ratio_0(value):
    health = capture([1.0], [value])

    assert (health.ratio, health.has_exploding) == (0.0, True)


@pytest.mark.parametrize("host", [[], parameters([1e-9]), parameters([math.inf]), parameters(None)])
def test_the_ratio_to_a_host_that_does_not_learn_is_0(host):
    assert capture([1.0], host=host).ratio == 0.0


def test_the_ratio_is_capped():
    assert capture([1.0], host=parameters([1e-6])).ratio == 10.0


@pytest.mark.parametrize("gradients", [(), (None,)])
def test_nothing_is_measured_without_a_gradient(gradients):
    assert capture(*gradients) is None


@pytest.mark.parametrize("ratio", [-0.1, math.nan, math.inf])
def test_an_invalid_ratio_is_rejected(ratio):
    with pytest.raises(ValueError, match="ratio must be finite and not negative, got"):
        GradientHealth(ratio=ratio, has_vanishing=False, has_exploding=False, epoch=1)


def test_a_capture_synchronizes_with_the_device_once(monkeypatch):
    waits = []
    for name in ("item", "tolist", "__float__", "__bool__"):
        original = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor, name, lambda self, original=original: waits.append(1) or original(self)
        )

    capture([1.0], [2.0])

    assert len(waits) == 1
