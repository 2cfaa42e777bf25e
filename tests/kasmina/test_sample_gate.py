"""The learned gate weighs samples without looking ahead."""

import pytest
import torch

from esper.kasmina.blend import SampleGate
from tests.kasmina.lives import CHANNELS, features


@pytest.mark.parametrize(("topology", "shape"), [("cnn", (4, 1, 1, 1)), ("transformer", (4, 6, 1))])
def test_weights_are_fractions_that_spread_over_a_sample(topology, shape):
    weights = SampleGate(CHANNELS, topology)(features(topology))

    assert weights.shape == shape
    assert 0.0 <= weights.min() <= weights.max() <= 1.0


@pytest.mark.parametrize("channels", [1, 4, 8, 64])
def test_it_has_as_many_parameters_as_it_says(channels):
    gate = SampleGate(channels, "cnn")

    hidden = max(1, channels // 4)
    assert sum(p.numel() for p in gate.parameters()) == (channels + 2) * hidden + 1


def test_a_position_is_not_weighed_by_what_comes_after_it():
    gate = SampleGate(CHANNELS, "transformer")
    x = features("transformer").detach()
    changed = x.clone()
    changed[:, 3:] += 1.0

    before, after = gate(x), gate(changed)

    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.equal(before[:, 3:], after[:, 3:])


def test_the_last_position_is_weighed_by_the_mean_over_all():
    gate = SampleGate(CHANNELS, "transformer")
    x = features("transformer")

    torch.testing.assert_close(gate(x)[:, -1], gate.net(x.mean(dim=1)))


@pytest.mark.parametrize("seed", range(10))
def test_no_parameter_is_born_dead(seed):
    torch.manual_seed(seed)
    gate = SampleGate(4, "cnn")

    gate(torch.randn(4, 4, 2, 2)).sum().backward()

    assert all(parameter.grad.abs().max() > 0 for parameter in gate.parameters())
