"""A small language model with a slot after each segment of its layers."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from esper._generated.channel import Channel
from esper.kasmina.attention import SelfAttention
from esper.kasmina.gates import Gates
from esper.kasmina.slot import SeedSlot
from esper.leyline.channel import SILENT


@final
class TransformerHost(nn.Module):
    """Predicts the next token: pre-norm layers, learned positions, one matrix for embedding and output.

    The layers are divided into segments of equal length. Each is followed by a slot of `embed_dim` channels and topology
    `transformer`: r0c0, r0c1, ... Seeds keep the model causal: no position sees a later token through them.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 50257,
        embed_dim: int = 384,
        num_heads: int = 6,
        num_layers: int = 6,
        context_length: int = 256,
        dropout: float = 0.1,
        num_segments: int = 3,
        gates: Gates | None = None,
        channel: Channel = SILENT,
    ) -> None:
        """Build the host; `gates` and `channel` are passed to all slots.

        Raises:
            ValueError: `num_layers` is not a multiple of `num_segments`, or `embed_dim` of `num_heads`.
        """
        super().__init__()
        if num_layers % num_segments != 0:
            raise ValueError(
                "num_layers must be a multiple of num_segments,"
                f" got {num_layers} and {num_segments}"
            )
        if embed_dim % num_heads != 0:
            raise ValueError(
                f"embed_dim must be a multiple of num_heads, got {embed_dim} and {num_heads}"
            )
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(context_length, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.segments = nn.ModuleList(
            nn.Sequential(
                *(_Layer(embed_dim, num_heads, dropout) for _ in range(num_layers // num_segments))
            )
            for _ in range(num_segments)
        )
        self.slots = nn.ModuleDict(
            {
                slot_id: SeedSlot(
                    slot_id, embed_dim, topology="transformer", gates=gates, channel=channel
                )
                for slot_id in (f"r0c{segment}" for segment in range(num_segments))
            }
        )
        self.norm = nn.LayerNorm(embed_dim)
        for embedding in (self.tokens, self.positions):
            # As in GPT-2: with tied output weights, unit variance would start far above the loss of a uniform guess.
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (B, T, vocab_size) for `tokens` (B, T), integers, with T up to `context_length`."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.dropout(self.tokens(tokens) + self.positions(positions))
        for segment, slot in zip(self.segments, self.slots.values(), strict=True):
            x = slot(segment(x))
        logits: Tensor = functional.linear(self.norm(x), self.tokens.weight)
        return logits


@final
class _Layer(nn.Module):
    """Causal self-attention and an MLP with 4C hidden units, each after a norm and with a residual connection."""

    def __init__(self, embed_dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.attention = SelfAttention(embed_dim, num_heads, dropout=dropout)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim), nn.GELU(), nn.Linear(4 * embed_dim, embed_dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        result: Tensor = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return result
