"""The frame that most blueprints share: what a branch adds to the features."""

from torch import Tensor, nn


class ResidualSeed(nn.Module):
    """x + branch(x)."""

    def __init__(self, branch: nn.Module) -> None:
        """Take the branch, which must keep the shape and start quiet."""
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """Return the features with what the branch adds."""
        branch: Tensor = self.branch(x)
        return x + branch
