"""Isolation and freezing: which gradients of a seed reach its host, and whether the seed itself learns.

*Isolation* means that a seed gets the host's features detached from the autograd graph, so that no gradient of the
seed reaches the layers before the slot. *Freezing* means that the parameters of a seed do not learn.
"""

from collections.abc import Collection
from typing import Any, final

import torch
from torch import Tensor, nn

from esper._generated.enums import SeedStage
from esper.kasmina.topology import Topology


def is_isolated(stage: SeedStage, alpha: float, topology: Topology) -> bool:
    """Return whether the seed gets detached features in `stage` at amplitude `alpha`.

    In TRAINING it always does. In BLENDING a convolutional seed does, while others learn together with their host.
    At full amplitude no seed does: the features reach the next layer through the seed alone, so detaching them would
    cut the gradient of all layers before the slot.
    """
    if stage is SeedStage.TRAINING:
        return True
    return alpha < 1.0 and stage is SeedStage.BLENDING and topology in ("cnn", "conv1d")


class _StraightThrough(torch.autograd.Function):
    """Returns a copy of the features; passes its gradient to features and seed in the backward pass."""

    generate_vmap_rule = True

    @staticmethod
    def forward(features: Tensor, seed_output: Tensor) -> Tensor:
        return features.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.seed_dtype = inputs[1].dtype

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        return gradients[0], gradients[0].to(ctx.seed_dtype)


@final
class _PlainStraightThrough(torch.autograd.Function):
    """The same without support for the transforms of `torch.func`, which makes a call three times as fast."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, seed_output: Tensor) -> Tensor:
        ctx.seed_dtype = seed_output.dtype
        return features.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        return gradients[0], gradients[0].to(ctx.seed_dtype)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return tangents[0].clone()


@final
class _StraightThroughForwardMode(_StraightThrough):
    """The same with a derivative for forward mode, at which the compiler would break its graph."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return tangents[0].clone()


def straight_through(features: Tensor, seed_output: Tensor) -> Tensor:
    """Return a copy of `features`, and pass its gradient to both `features` and `seed_output`.

    All three tensors have one shape. The usual straight-through estimate h + (s - stop_grad(s)) has the same value and
    gradients, but it is NaN where the seed's output s is NaN or infinite; this is h whatever s is. It is a copy, because
    the next layer may write to it in place, as `nn.ReLU(inplace=True)` does, while the seed needs h for its backward pass.
    """
    function: Any = _PlainStraightThrough
    if torch.compiler.is_compiling():
        function = _StraightThrough
    elif torch._C._are_functorch_transforms_active():
        function = _StraightThroughForwardMode
    result: Tensor = function.apply(features, seed_output)
    return result


def freeze(module: nn.Module) -> list[str]:
    """Turn off `requires_grad` of the parameters of `module` that have it, and return their names.

    Gradients still flow through the module to the layers before it. The `grad` of the frozen parameters is dropped,
    because an optimizer would apply it in its next step.
    """
    names = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            parameter.requires_grad_(False)
            parameter.grad = None
            names.append(name)
    return names


def thaw(module: nn.Module, names: Collection[str]) -> None:
    """Undo `freeze` for the parameters called `names`; names that `module` no longer has are skipped."""
    # Listing the parameters of a seed costs more than the rest of a stage transition.
    if not names:
        return
    parameters = dict(module.named_parameters())
    for name in names:
        if name in parameters:
            parameters[name].requires_grad_(True)
