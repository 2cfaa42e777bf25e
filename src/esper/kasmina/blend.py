"""How a seed's output joins the host's features.

`features` are the host's, `seed_output` is what the seed made of `seed_input`; that is the features too, possibly
cut off from their gradient (isolation.py). All three have one shape, (B, C, H, W) or (B, T, C). The amplitude is a
0-dim tensor, because a Python number would make `torch.compile` trace the graph anew as it changes.
"""

import torch
from torch import Tensor

from esper._generated.enums import AlphaAlgorithm
from esper.kasmina.sample_gate import SampleGate


def blend(
    features: Tensor,
    seed_output: Tensor,
    seed_input: Tensor,
    alpha: Tensor,
    *,
    algorithm: AlphaAlgorithm,
    gate: SampleGate | None,
) -> Tensor:
    """Return the blended features, in the shape and dtype of `features`.

    At `alpha` 1, ADD is the seed's output bit for bit: that is why it is a `lerp` and not h + a(s - h).
    `gate` is used by GATE only, which must have one.
    """
    seed_output = seed_output.to(features.dtype)
    alpha = alpha.to(features.dtype)
    match algorithm:
        case AlphaAlgorithm.ADD:
            return torch.lerp(features, seed_output, alpha)
        case AlphaAlgorithm.MULTIPLY:
            # The seed's own input is subtracted, not the features: under isolation no gradient leaks through it.
            return features * (1.0 + alpha * torch.tanh(seed_output - seed_input))
        case AlphaAlgorithm.GATE:
            assert gate is not None
            weight = alpha * gate(seed_input).to(features.dtype)
            return torch.lerp(features, seed_output, weight)
