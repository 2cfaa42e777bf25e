"""A seed learns behind the host without touching it."""

import pytest
import torch

from esper._generated.enums import SeedStage
from esper.kasmina.isolation import is_isolated, straight_through
from tests.kasmina.lives import features


def test_the_features_come_out_themselves():
    h = features()

    assert straight_through(h, features(seed=1)).data_ptr() == h.data_ptr()


def test_host_and_seed_both_get_the_whole_gradient_once():
    h, s, weight = (features(seed=i) for i in range(3))

    (straight_through(h, s) * weight.detach()).sum().backward()

    assert torch.equal(h.grad, weight)
    assert torch.equal(s.grad, weight)


@pytest.mark.parametrize("accident", [float("nan"), float("inf")])
def test_a_seed_gone_wrong_touches_neither_value_nor_gradient_of_the_host(accident):
    h = features()
    s = torch.full_like(h, accident, requires_grad=True)

    output = straight_through(h, s)
    output.sum().backward()

    assert torch.equal(output, h)
    assert torch.equal(h.grad, torch.ones_like(h))


def test_the_seeds_gradient_has_its_own_dtype():
    h, s = features(), features(seed=1).detach().bfloat16().requires_grad_()

    straight_through(h, s).sum().backward()

    assert s.grad.dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("stage", "alpha", "topologies"),
    [
        (SeedStage.TRAINING, 0.0, {"cnn", "transformer"}),
        (SeedStage.BLENDING, 0.0, {"cnn"}),
        (SeedStage.BLENDING, 0.99, {"cnn"}),
        (SeedStage.BLENDING, 1.0, set()),
        (SeedStage.HOLDING, 1.0, set()),
        (SeedStage.FOSSILIZED, 1.0, set()),
    ],
)
def test_isolation_ends_at_full_amplitude(stage, alpha, topologies):
    isolated = {t for t in ("cnn", "transformer") if is_isolated(stage, alpha, t)}

    assert isolated == topologies
