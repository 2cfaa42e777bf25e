"""Formulae that combine a seed's output with the host's features, and the learned gate that one of them uses."""

from typing import final

import torch
from torch import Tensor, nn

from esper._generated.enums import AlphaAlgorithm
from esper.kasmina.topology import Topology


@final
class SampleGate(nn.Module):
    """Weighs each sample by its pooled features; the GATE algorithm multiplies the amplitude by this weight.

    Images are pooled over space. Sequences are pooled, at each position, over the positions up to it: a mean over
    the whole sequence would let a language model look ahead.
    """

    def __init__(self, channels: int, topology: Topology) -> None:
        """Build the gate for features with `channels` channels; it has (C + 2) max(1, C // 4) + 1 parameters."""
        super().__init__()
        self.topology = topology
        hidden = max(1, channels // 4)
        self.net = nn.Sequential(
            nn.Linear(channels, hidden),
            # Not ReLU: with so few units, all may be dead from the start.
            nn.SiLU(),
            nn.Linear(hidden, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return weights in [0, 1]: (B, 1, 1, 1) for images (B, C, H, W), (B, T, 1) for sequences (B, T, C)."""
        weights: Tensor = self.net(self._pool(x))
        return weights[:, :, None, None] if self.topology == "cnn" else weights

    def _pool(self, x: Tensor) -> Tensor:
        if self.topology == "cnn":
            return x.mean(dim=(2, 3))
        num_positions = torch.arange(1, x.shape[1] + 1, device=x.device)
        return x.cumsum(dim=1) / num_positions[:, None]


def blend(
    features: Tensor,
    seed_output: Tensor,
    seed_input: Tensor,
    alpha: Tensor,
    *,
    algorithm: AlphaAlgorithm,
    gate: SampleGate | None,
) -> Tensor:
    """Return the host's `features` h blended with the seed's output s, in the shape and dtype of `features`.

    `seed_input` x is h itself, or h detached from the graph under isolation. h, s and x have one shape, (B, C, H, W)
    or (B, T, C). `alpha` a is a 0-dim tensor, because `torch.compile` would trace the graph again for each new Python
    number. `gate` g must be given for GATE and is ignored otherwise.

    - ADD: h + a (s - h), as a `lerp`, which at a = 1 is s bit for bit
    - MULTIPLY: h (1 + a tanh(s - x))
    - GATE: h + a g(x) (s - h)
    """
    seed_output = seed_output.to(features.dtype)
    alpha = alpha.to(features.dtype)
    match algorithm:
        case AlphaAlgorithm.ADD:
            return torch.lerp(features, seed_output, alpha)
        case AlphaAlgorithm.MULTIPLY:
            # Minus the seed's own input, not the features: under isolation no gradient reaches the host through it.
            return features * (1.0 + alpha * torch.tanh(seed_output - seed_input))
        case AlphaAlgorithm.GATE:
            assert gate is not None
            weight = alpha * gate(seed_input).to(features.dtype)
            return torch.lerp(features, seed_output, weight)
