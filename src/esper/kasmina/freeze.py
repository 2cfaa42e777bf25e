"""Freezing a seed while it is blended out, so that it cannot fight its own removal."""

from collections.abc import Iterable

from torch import nn


def freeze(module: nn.Module) -> list[str]:
    """Stop every parameter that learns from learning, and return their names.

    Gradients still flow through the module to whatever feeds it. Gradients already collected are dropped: an optimizer
    would step with them once more.
    """
    names = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            parameter.requires_grad_(False)
            parameter.grad = None
            names.append(name)
    return names


def thaw(module: nn.Module, names: Iterable[str]) -> None:
    """Let the parameters called `names` learn again, and no other; names that are gone are passed over."""
    parameters = dict(module.named_parameters())
    for name in names:
        if name in parameters:
            parameters[name].requires_grad_(True)
