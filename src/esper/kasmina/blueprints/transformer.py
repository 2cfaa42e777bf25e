"""Blueprints for sequences, (B, T, C), and for vectors, (B, C); the output has the same shape.

Each position is mapped by itself, except in the two attentions. So with a KV cache, where a generating language model
computes one position at a time, all others give what they give for the whole sequence. `attention` sees only the new
position there, and `attention_all` is not for language models at all.

All seeds start as the identity and able to learn: the last layer of a branch starts at zero, and no layer follows it
that could stop its gradient.
"""

import math
from typing import Final

from torch import nn

from esper.kasmina.attention import SelfAttention
from esper.kasmina.blueprints.residual import AttentionSeed, NormSeed, ResidualSeed

SMALL_RANK: Final = 8
LARGE_RANK: Final = 32
"""Ranks of the low-rank maps; Hu et al. (LoRA, 2021) use 1 to 64."""

MAX_HEADS: Final = 4
"""Most attention heads; fewer if 4 does not divide the channels."""


def norm(channels: int) -> nn.Module:
    """Return a learned mixture of the features and their layer norm. 2C + 1 parameters."""
    return NormSeed(nn.LayerNorm(channels))


def lora(channels: int) -> nn.Module:
    """Return a linear map of rank 8 (Hu et al., LoRA, 2021). 16C parameters."""
    return _low_rank(channels, SMALL_RANK)


def lora_large(channels: int) -> nn.Module:
    """Return a linear map of rank 32. 64C parameters."""
    return _low_rank(channels, LARGE_RANK)


def attention(channels: int) -> nn.Module:
    """Return causal self-attention with up to four heads. 4C^2 + 4C parameters."""
    return _attention(channels, causal=True)


def attention_all(channels: int) -> nn.Module:
    """Return self-attention in which each position sees all others, as in encoders. 4C^2 + 4C parameters."""
    return _attention(channels, causal=False)


def mlp_small(channels: int) -> nn.Module:
    """Return two linear layers with 2C hidden units. 4C^2 + 3C parameters."""
    return _mlp(channels, 2 * channels)


def mlp(channels: int) -> nn.Module:
    """Return two linear layers with 4C hidden units. 8C^2 + 5C parameters."""
    return _mlp(channels, 4 * channels)


def _attention(channels: int, *, causal: bool) -> nn.Module:
    layer = SelfAttention(channels, math.gcd(channels, MAX_HEADS), causal=causal)
    _zeroed(layer.project)
    return AttentionSeed(layer)


def _low_rank(channels: int, rank: int) -> nn.Module:
    down = nn.Linear(channels, rank, bias=False)
    up = _zeroed(nn.Linear(rank, channels, bias=False))
    return ResidualSeed(nn.Sequential(down, up))


def _mlp(channels: int, hidden: int) -> nn.Module:
    return ResidualSeed(
        nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), _zeroed(nn.Linear(hidden, channels)))
    )


def _zeroed(layer: nn.Linear) -> nn.Linear:
    """Set all parameters of `layer` to zero and return it."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
