"""A frozen module stands still and still passes gradients on."""

import torch
from torch import nn

from esper.kasmina.isolation import freeze, thaw


def net() -> nn.Sequential:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[0].bias.requires_grad_(False)
    return module


def learning(module: nn.Module) -> list[str]:
    return [name for name, parameter in module.named_parameters() if parameter.requires_grad]


def test_what_learned_before_learns_again_and_nothing_else():
    module = net()
    before = learning(module)

    names = freeze(module)
    frozen = learning(module)
    thaw(module, names)

    assert frozen == []
    assert learning(module) == before == names


def test_a_gradient_flows_through_but_none_stays():
    module = net()
    x = torch.ones(1, 3, requires_grad=True)
    module(x).sum().backward()
    x.grad = None

    freeze(module)
    module(x).sum().backward()

    assert x.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in module.parameters())


def test_names_that_are_gone_are_passed_over():
    module = net()
    names = freeze(module)

    del module[1]
    thaw(module, names)

    assert learning(module) == ["0.weight"]
