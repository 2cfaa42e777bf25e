"""A seed's output joins the host's features as the formulae say."""

import pytest
import torch

from esper._generated.enums import AlphaAlgorithm
from esper.kasmina.blend import SampleGate, blend
from tests.kasmina.lives import CHANNELS, features

ALGORITHMS = list(AlphaAlgorithm)


def blended(algorithm, alpha, h, s, x=None, gate=None):
    gate = gate or SampleGate(CHANNELS, "cnn")
    return blend(h, s, h if x is None else x, torch.tensor(alpha), algorithm=algorithm, gate=gate)


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


def test_at_full_amplitude_add_is_the_seed_bit_for_bit():
    h, s = features(), features(seed=1) * 1e6

    assert torch.equal(blended(AlphaAlgorithm.ADD, 1.0, h, s), s)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_without_amplitude_it_is_the_host_bit_for_bit(algorithm):
    h, s = features(), features(seed=1) * 1e6

    assert torch.equal(blended(algorithm, 0.0, h, s), h)


def test_multiplying_stays_within_the_amplitude():
    h, s = features(), features(seed=1) * 100

    factors = blended(AlphaAlgorithm.MULTIPLY, 0.25, h, s) / h

    assert factors.min() >= 0.75 - 1e-5
    assert factors.max() <= 1.25 + 1e-5


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_dtype_is_the_hosts(algorithm):
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


def test_multiplying_leaks_no_gradient_past_an_isolated_input():
    h = features()
    s = features(seed=1)

    (gradient,) = torch.autograd.grad(
        blended(AlphaAlgorithm.MULTIPLY, 0.5, h, s, x=h.detach()).sum(), h
    )

    torch.testing.assert_close(gradient, 1 + 0.5 * torch.tanh(s - h))
