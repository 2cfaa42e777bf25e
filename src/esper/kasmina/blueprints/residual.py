"""Seeds for both topologies; the blueprints for images and for sequences are built from them."""

from typing import final

import torch
from torch import Tensor, nn


@final
class ResidualSeed(nn.Module):
    """Adds the output of a branch to the features: x + branch(x)."""

    def __init__(self, branch: nn.Module) -> None:
        """Build the seed on `branch`, which must keep the shape and whose output must be small at first."""
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """Return x + branch(x) for `x`, (B, C, H, W) or (B, T, C), in the same shape."""
        branch: Tensor = self.branch(x)
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
        """Return `x`, (B, C, H, W) or (B, T, C), partly normalized, in the same shape."""
        return torch.lerp(x, self.norm(x), torch.tanh(self.scale))
