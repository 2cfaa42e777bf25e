"""The learned gate of the GATE algorithm: how much of a seed each sample gets."""

import torch
from torch import Tensor, nn

from esper.kasmina.topology import Topology


class SampleGate(nn.Module):
    """Weighs each sample by its pooled features.

    Images are pooled over space. A sequence is pooled, at every position, over what came up to it: a mean over the
    whole of it would let a language model look ahead.
    """

    def __init__(self, channels: int, topology: Topology) -> None:
        """Build the gate; it has (C + 2) max(1, C // 4) + 1 parameters."""
        super().__init__()
        self.topology = topology
        hidden = max(1, channels // 4)
        self.net = nn.Sequential(
            nn.Linear(channels, hidden),
            # Not ReLU: of so few units, all may be born dead.
            nn.SiLU(),
            nn.Linear(hidden, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return weights in [0, 1]: (B, C, H, W) -> (B, 1, 1, 1), (B, T, C) -> (B, T, 1)."""
        weights: Tensor = self.net(self._pool(x))
        return weights[:, :, None, None] if self.topology == "cnn" else weights

    def _pool(self, x: Tensor) -> Tensor:
        if self.topology == "cnn":
            return x.mean(dim=(2, 3))
        num_positions = torch.arange(1, x.shape[1] + 1, device=x.device)
        return x.cumsum(dim=1) / num_positions[:, None]
