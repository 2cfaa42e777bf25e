"""Self-attention, causal or not, for the transformer host and for blueprints."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional


@final
class SelfAttention(nn.Module):
    """Lets each position of a sequence attend to the positions up to it, or to all of them. 4C^2 + 4C parameters."""

    def __init__(
        self, channels: int, num_heads: int, *, causal: bool = True, dropout: float = 0.0
    ) -> None:
        """Build the layer; `num_heads` must divide `channels`, and `dropout` is that of the attention weights."""
        super().__init__()
        self.num_heads = num_heads
        self.causal = causal
        self.dropout = dropout
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """Return the attention output for `x`, (B, T, C), in the same shape.

        No position attends to those where `padding`, (B, T), is true, except such a position to itself.
        """
        batch, positions, channels = x.shape
        heads = self.qkv(x).view(batch, positions, 3, self.num_heads, channels // self.num_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        gathered = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if padding is None else self._visible(padding),
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal and padding is None,
        )
        result: Tensor = self.project(gathered.transpose(1, 2).reshape(batch, positions, channels))
        return result

    def _visible(self, padding: Tensor) -> Tensor:
        """Return which position, in rows, may attend to which: (B, 1, T, T)."""
        positions = padding.shape[1]
        visible = padding.logical_not()[:, None, None, :].expand(-1, 1, positions, -1)
        if self.causal:
            visible = visible.tril()
        # A position that sees nothing would be NaN, and its gradient too.
        return visible | torch.eye(positions, dtype=torch.bool, device=padding.device)
