"""Causal self-attention, for the transformer host and a blueprint."""

from typing import final

from torch import Tensor, nn
from torch.nn import functional


@final
class CausalAttention(nn.Module):
    """Lets each position of a sequence attend to the positions up to it. 4C^2 + 4C parameters."""

    def __init__(self, channels: int, num_heads: int, *, dropout: float = 0.0) -> None:
        """Build the layer; `num_heads` must divide `channels`, and `dropout` is that of the attention weights."""
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the attention output for `x`, (B, T, C), in the same shape."""
        batch, positions, channels = x.shape
        heads = self.qkv(x).view(batch, positions, 3, self.num_heads, channels // self.num_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        gathered = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=self.dropout if self.training else 0.0, is_causal=True
        )
        result: Tensor = self.project(gathered.transpose(1, 2).reshape(batch, positions, channels))
        return result
