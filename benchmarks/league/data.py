"""The data of the league: images of digits, text, MNIST-1D and a generated regression; nothing is downloaded."""

from __future__ import annotations

import pydoc_data.topics
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from sklearn.datasets import load_digits
from torch import Tensor

TEST_SAMPLES = 500
NUM_CLASSES = 10


@dataclass(frozen=True, slots=True)
class Samples:
    """Inputs and targets, split at random into those for training and `TEST_SAMPLES` held-out ones."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


def generator(*numbers: int) -> torch.Generator:
    """Return a generator of random numbers that is determined by `numbers`."""
    return torch.Generator().manual_seed(hash(numbers) % 2**62)


def digits(seed: int) -> Samples:
    """Return scikit-learn's images of digits, of shape (N, 64) in [0, 1], with their classes."""
    x, y = _digits()
    return _split(x, y, seed)


def signals(seed: int) -> Samples:
    """Return 3,000 signals of MNIST-1D, of shape (N, 1, 40), with their classes."""
    x, y = _signals()
    return _split(x, y, seed)


def regression(seed: int) -> Samples:
    """Return a regression of shape (N, 8) to (N, 1): a random smooth function with noise that depends on the input."""
    random = generator(seed, 1)
    x = torch.randn(3000, 8, generator=random)
    hidden = torch.tanh(x @ torch.randn(8, 16, generator=random) / 2)
    y = hidden @ torch.randn(16, 1, generator=random) / 2
    noise = torch.randn(3000, 1, generator=random) * (0.1 + 0.1 * (x[:, :1] > 0))
    return _split(x, y + noise, seed)


@dataclass(frozen=True, slots=True)
class Text:
    """Characters as numbers below `vocabulary`, in the order of the text."""

    train: Tensor
    test: Tensor
    vocabulary: int


@cache
def text() -> Text:
    """Return Python's own help texts; the last twentieth is held out."""
    joined = "\n".join(topic for _, topic in sorted(pydoc_data.topics.topics.items()))
    values, numbers = np.unique(
        np.frombuffer(joined.encode()[:400_000], dtype=np.uint8), return_inverse=True
    )
    tokens = torch.from_numpy(numbers.astype(np.int64))
    cut = len(tokens) * 19 // 20
    return Text(tokens[:cut], tokens[cut:], len(values))


def _split(x: Tensor, y: Tensor, seed: int) -> Samples:
    order = torch.randperm(len(x), generator=generator(seed, 0))
    test, train = order[:TEST_SAMPLES], order[TEST_SAMPLES:]
    return Samples(x[train], y[train], x[test], y[test])


@cache
def _digits() -> tuple[Tensor, Tensor]:
    x, y = load_digits(return_X_y=True)
    return torch.from_numpy(x).float() / 16.0, torch.from_numpy(y).long()


# The data of MNIST-1D (S. Greydanus, arXiv:2011.14439; its table of templates is under the Apache License 2.0).
_TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)


@cache
def _signals() -> tuple[Tensor, Tensor]:
    """Generate the signals as published: templates are padded, scaled, shifted and sheared, and noise is added."""
    random = np.random.default_rng(42)
    templates = np.asarray(_TEMPLATES)
    templates = (templates - templates.mean(1, keepdims=True)) / templates.std(1, keepdims=True)
    templates = (templates - templates[:, :1]) / 6.0
    y = np.tile(np.arange(NUM_CLASSES), 300)
    x = np.stack([_signal(templates[label], random) for label in y])
    x = (x - x.mean()) / x.std()
    return torch.from_numpy(x).float().unsqueeze(1), torch.from_numpy(y).long()


def _signal(template: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    padded = np.concatenate([template, np.zeros(36 + int(random.random() * 24))])
    positions = np.linspace(0, 1, len(padded))
    signal = np.interp(np.linspace(0, 1, 60), positions, padded)
    signal *= 1 + 0.4 * (random.random() - 0.5)
    signal = np.roll(signal, int(random.random() * 48))
    signal -= 0.75 * (random.random() - 0.5) * np.linspace(-0.5, 0.5, 60)
    signal = signal + gaussian_filter1d(0.25 * random.standard_normal(60), 2)
    signal = signal + 0.02 * random.standard_normal(60)
    return np.interp(np.linspace(0, 1, 40), np.linspace(0, 1, 60), signal)
