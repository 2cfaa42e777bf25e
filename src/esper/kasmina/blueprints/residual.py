"""Seeds for several topologies; the blueprints are built from them."""

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from esper.kasmina.attention import SelfAttention


@final
class ResidualSeed(nn.Module):
    """Adds the output of a branch to the features: x + branch(x)."""

    def __init__(self, branch: nn.Module) -> None:
        """Build the seed on `branch`, which must keep the shape and whose output must be small at first."""
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """Return x + branch(x) for `x` of any layout that the branch takes, in the same shape."""
        branch: Tensor = self.branch(x)
        return x + branch


class SequenceSeed(nn.Module, ABC):
    """A seed in which the positions of a sequence depend on each other; base class of own seeds that take a padding mask.

    Its slot calls it with the mask that the grafted module was called with, or with the one given to the slot.
    """

    @abstractmethod
    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """Return the output for `x`, (B, T, C), in the same shape; `padding`, (B, T), is true where `x` is padding."""


@final
class AttentionSeed(SequenceSeed):
    """Adds self-attention to the features: x + attention(x)."""

    def __init__(self, branch: SelfAttention) -> None:
        """Build the seed on the layer `branch`, whose output must be small at first."""
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """Return x + attention(x) for `x`, (B, T, C), in the same shape; padding, (B, T), is not attended to."""
        branch: Tensor = self.branch(x, padding)
        return x + branch


@final
class NormSeed(nn.Module):
    """Learns how far to normalize the features: x + tanh(s)(norm(x) - x). 2C + 1 parameters."""

    def __init__(self, norm: nn.Module) -> None:
        """Build the seed on the layer `norm`; it starts as the identity."""
        super().__init__()
        self.norm = norm
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, of any layout that the norm takes, partly normalized, in the same shape."""
        return torch.lerp(x, self.norm(x), torch.tanh(self.scale))
