"""Formulae that combine a seed's output with the host's features, and the learned gate that one of them uses."""

from typing import final

import torch
from torch import Tensor, nn

from esper._generated.enums import AlphaAlgorithm
from esper.kasmina.topology import Topology


@final
class SampleGate(nn.Module):
    """Weighs each sample by its pooled features; the GATE algorithm multiplies the amplitude by this weight.

    Images and signals are pooled over space. Sequences are pooled, at each position, over the positions up to it: a mean
    over the whole sequence would let a language model look ahead. So with a KV cache, where a language model computes one
    position at a time, the weights are others than for the whole sequence.
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

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """Return weights in [0, 1] for `x` in the order of dimensions that seeds take.

        They are (B, 1, 1, 1) for images (B, C, H, W), (B, T, 1) for sequences (B, T, C), (B, 1, 1) for signals
        (B, C, L), and (B, 1) for vectors (B, C). Positions where `padding`, (B, T), is true are not pooled.
        """
        if x.ndim == 2:
            pooled = x
        elif self.topology == "transformer":
            pooled = _mean_so_far(x, padding)
        else:
            pooled = x.mean(dim=tuple(range(2, x.ndim)))
        weights: Tensor = self.net(pooled)
        if self.topology == "transformer":
            return weights
        return weights.reshape(-1, *[1] * (x.ndim - 1))


def _mean_so_far(x: Tensor, padding: Tensor | None) -> Tensor:
    """Return the mean of `x`, (B, T, C), over the positions up to each one that are not padding."""
    if padding is None:
        num_positions = torch.arange(1, x.shape[1] + 1, device=x.device)
        return x.cumsum(dim=1) / num_positions[:, None]
    kept = padding.logical_not()[:, :, None]
    return x.masked_fill(~kept, 0.0).cumsum(dim=1) / kept.cumsum(dim=1).clamp(min=1)


def replace(features: Tensor, seed_output: Tensor) -> Tensor:
    """Return what `blend` gives for ADD at amplitude 1, a copy of `seed_output` in the dtype of `features`, at less cost.

    A copy, because the next layer may write to it in place, while the seed's last operation may need its result for its
    backward pass.
    """
    return seed_output.to(features.dtype, copy=True)


def blend(
    features: Tensor,
    seed_output: Tensor,
    seed_input: Tensor,
    alpha: Tensor,
    *,
    algorithm: AlphaAlgorithm,
    gate_weight: Tensor | None,
) -> Tensor:
    """Return the host's `features` h blended with the seed's output s, in the shape and dtype of `features`.

    `seed_input` x is h itself, or h detached from the graph under isolation. h, s and x have one shape. `alpha` a is a
    0-dim tensor, because `torch.compile` would trace the graph again for each new Python number. `gate_weight` g(x), which
    broadcasts to that shape, must be given for GATE and is ignored otherwise.

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
            assert gate_weight is not None
            weight = alpha * gate_weight.to(features.dtype)
            return torch.lerp(features, seed_output, weight)
