"""Keeping a seed's learning out of the host's gradients, and the seed's accidents out of its output."""

from typing import Any

import torch
from torch import Tensor

from esper._generated.enums import SeedStage
from esper.kasmina.topology import Topology


def is_isolated(stage: SeedStage, alpha: float, topology: Topology) -> bool:
    """Return whether the seed sees the host's features cut off from their gradient.

    While it trains it always does. While it blends in, a CNN's seed does and a transformer's learns together with
    its host; but never at full amplitude, where the seed is the only way back to the layers before it.
    """
    if stage is SeedStage.BLENDING:
        return topology == "cnn" and alpha < 1.0
    return stage is SeedStage.TRAINING


class _LearnBehind(torch.autograd.Function):
    """Passes the features on as they are, and their gradient to both the host and the seed."""

    @staticmethod
    def forward(features: Tensor, seed_output: Tensor) -> Tensor:
        return features

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.seed_dtype = inputs[1].dtype

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        return gradients[0], gradients[0].to(ctx.seed_dtype)


def learn_behind(features: Tensor, seed_output: Tensor) -> Tensor:
    """Return `features` themselves, with `seed_output` learning from their gradient.

    The straight-through estimate h + (s - stop_grad(s)) has the same value and gradients, but for a seed
    that is NaN or infinite it is NaN; this is h whatever the seed does. The result must not be written to in place.
    """
    result: Tensor = _LearnBehind.apply(features, seed_output)  # type: ignore[no-untyped-call] # torch's
    return result
