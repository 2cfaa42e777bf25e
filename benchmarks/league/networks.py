"""The small networks of the league."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


def mlp(*sizes: int) -> nn.Sequential:
    """Return linear layers of these sizes with ReLU between them."""
    layers: list[nn.Module] = []
    for num_in, num_out in pairwise(sizes):
        layers += [nn.Linear(num_in, num_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def signal_cnn() -> nn.Sequential:
    """Return a convolutional network with batch normalisation for signals of shape (N, 1, 40)."""
    return nn.Sequential(
        nn.Conv1d(1, 16, 5, stride=2),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Conv1d(16, 24, 3, stride=2),
        nn.BatchNorm1d(24),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24 * 8, 10),
    )


class RecurrentModel(nn.Module):
    """An LSTM over characters."""

    def __init__(self, vocabulary: int) -> None:
        """Build it for characters below `vocabulary`."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 16)
        self.lstm = nn.LSTM(16, 48, batch_first=True)
        self.head = nn.Linear(48, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits of shape (N, T, vocabulary) for tokens of shape (N, T)."""
        logits: Tensor = self.head(self.lstm(self.embedding(tokens))[0])
        return logits


class AttentionModel(nn.Module):
    """A transformer of one layer over characters."""

    WIDTH = 32
    HEADS = 2

    def __init__(self, vocabulary: int, length: int) -> None:
        """Build it for at most `length` characters below `vocabulary`."""
        super().__init__()
        width = self.WIDTH
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.before_attention = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.before_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.Dropout(0.1)
        )
        self.before_head = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits of shape (N, T, vocabulary) for tokens of shape (N, T)."""
        num, length = tokens.shape
        x = self.embedding(tokens) + self.position[:length]
        heads = self.attention(self.before_attention(x))
        query, key, value = heads.view(num, length, 3, self.HEADS, -1).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.mixed(mixed.transpose(1, 2).reshape(num, length, -1))
        x = x + self.mlp(self.before_mlp(x))
        logits: Tensor = self.head(self.before_head(x))
        return logits
