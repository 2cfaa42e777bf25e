"""A seed learns without influencing its host, and a frozen one does not learn."""

import pytest
import torch
from torch import nn

from esper._generated.enums import SeedStage
from esper.kasmina.isolation import freeze, is_isolated, straight_through, thaw
from tests.kasmina.lives import features


def test_the_features_are_returned_unchanged_and_may_be_overwritten():
    h = features()

    output = straight_through(h, features(seed=1))

    assert torch.equal(output, h)
    output.relu_()
    assert (h < 0).any()


def test_host_and_seed_each_get_the_whole_gradient():
    h, s, weight = (features(seed=i) for i in range(3))

    (straight_through(h, s) * weight.detach()).sum().backward()

    assert torch.equal(h.grad, weight)
    assert torch.equal(s.grad, weight)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_seed_that_is_not_finite_changes_neither_features_nor_their_gradient(value):
    h = features()
    s = torch.full_like(h, value, requires_grad=True)

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


def net() -> nn.Sequential:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[0].bias.requires_grad_(False)
    return module


def learning(module: nn.Module) -> list[str]:
    return [name for name, parameter in module.named_parameters() if parameter.requires_grad]


def test_only_parameters_that_learned_before_learn_again():
    module = net()
    before = learning(module)

    names = freeze(module)
    frozen = learning(module)
    thaw(module, names)

    assert frozen == []
    assert learning(module) == before == names


def test_a_gradient_flows_through_a_frozen_module_but_is_not_collected():
    module = net()
    x = torch.ones(1, 3, requires_grad=True)
    module(x).sum().backward()
    x.grad = None

    freeze(module)
    module(x).sum().backward()

    assert x.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in module.parameters())


def test_names_of_parameters_that_no_longer_exist_are_skipped():
    module = net()
    names = freeze(module)

    del module[1]
    thaw(module, names)

    assert learning(module) == ["0.weight"]
