"""A seed's output is blended with the host's features by the formulae."""

import pytest
import torch

from esper._generated.enums import AlphaAlgorithm
from esper.kasmina.blend import SampleGate, blend
from tests.kasmina.lives import CHANNELS, features

ALGORITHMS = list(AlphaAlgorithm)


def blended(algorithm, alpha, h, s, x=None, gate=None):
    gate = gate or SampleGate(CHANNELS, "cnn")
    x = h if x is None else x
    weight = None if gate is None else gate(x)
    return blend(h, s, x, torch.tensor(alpha), algorithm=algorithm, gate_weight=weight)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_blending_is_the_plain_formula(alpha):
    h, s, x = (features(seed=i) for i in range(3))
    gate = SampleGate(CHANNELS, "cnn")
    plain = {
        AlphaAlgorithm.ADD: h + alpha * (s - h),
        AlphaAlgorithm.MULTIPLY: h * (1 + alpha * torch.tanh(s - x)),
        AlphaAlgorithm.GATE: h + alpha * gate(x) * (s - h),
    }

    for algorithm in ALGORITHMS:
        torch.testing.assert_close(blended(algorithm, alpha, h, s, x, gate), plain[algorithm])


def test_at_full_amplitude_add_is_the_seed_output_bit_for_bit():
    h, s = features(), features(seed=1) * 1e6

    assert torch.equal(blended(AlphaAlgorithm.ADD, 1.0, h, s), s)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_at_amplitude_0_the_features_are_unchanged(algorithm):
    h, s = features(), features(seed=1) * 1e6

    assert torch.equal(blended(algorithm, 0.0, h, s), h)


def test_multiply_changes_features_by_at_most_the_amplitude():
    h, s = features(), features(seed=1) * 100

    factors = blended(AlphaAlgorithm.MULTIPLY, 0.25, h, s) / h

    assert factors.min() >= 0.75 - 1e-5
    assert factors.max() <= 1.25 + 1e-5


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_dtype_is_that_of_the_features(algorithm):
    h, s = features().bfloat16(), features(seed=1)

    assert (
        blended(
            algorithm,
            0.5,
            h,
            s,
            x=features(seed=2).bfloat16(),
            gate=SampleGate(CHANNELS, "cnn").bfloat16(),
        ).dtype
        is torch.bfloat16
    )


def test_multiply_passes_no_gradient_of_an_isolated_seed_to_the_host():
    h = features()
    s = features(seed=1)

    (gradient,) = torch.autograd.grad(
        blended(AlphaAlgorithm.MULTIPLY, 0.5, h, s, x=h.detach()).sum(), h
    )

    torch.testing.assert_close(gradient, 1 + 0.5 * torch.tanh(s - h))


class TestSampleGate:
    @pytest.mark.parametrize(
        ("topology", "shape"), [("cnn", (4, 1, 1, 1)), ("transformer", (4, 6, 1))]
    )
    def test_weights_are_fractions_that_broadcast_over_a_sample(self, topology, shape):
        weights = SampleGate(CHANNELS, topology)(features(topology))

        assert weights.shape == shape
        assert 0.0 <= weights.min() <= weights.max() <= 1.0

    @pytest.mark.parametrize("channels", [1, 4, 8, 64])
    def test_it_has_the_documented_number_of_parameters(self, channels):
        gate = SampleGate(channels, "cnn")

        hidden = max(1, channels // 4)
        assert sum(p.numel() for p in gate.parameters()) == (channels + 2) * hidden + 1

    def test_the_weight_of_a_position_does_not_depend_on_later_ones(self):
        gate = SampleGate(CHANNELS, "transformer")
        x = features("transformer").detach()
        changed = x.clone()
        changed[:, 3:] += 1.0

        before, after = gate(x), gate(changed)

        assert torch.equal(before[:, :3], after[:, :3])
        assert not torch.equal(before[:, 3:], after[:, 3:])

    def test_the_weight_of_the_last_position_depends_on_the_mean_over_all(self):
        gate = SampleGate(CHANNELS, "transformer")
        x = features("transformer")

        torch.testing.assert_close(gate(x)[:, -1], gate.net(x.mean(dim=1)))

    @pytest.mark.parametrize("seed", range(10))
    def test_all_parameters_learn_from_the_start(self, seed):
        torch.manual_seed(seed)
        gate = SampleGate(4, "cnn")

        gate(torch.randn(4, 4, 2, 2)).sum().backward()

        assert all(parameter.grad.abs().max() > 0 for parameter in gate.parameters())
