"""The task `mnist1d`: 6,000 generated signals of 40 values in the shapes of ten digits (Greydanus, arXiv:2011.14439).

The templates and the steps of the generator are those of the package `mnist1d` by Sam Greydanus, under the Apache License
2.0. The random numbers are those of this module, so the signals are others of the same distribution.
"""

from itertools import pairwise
from typing import Final, final

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import relu

from esper.kasmina.slot import SeedSlot
from esper.tolaria.tasks.task import Samples, Task

_Signal = NDArray[np.float64]

# The published values.
_LENGTH: Final = 40
_PADDED_LENGTH: Final = 60
_PADDING: Final = (36, 60)
_SCALE: Final = 0.4
_MAX_SHIFT: Final = 48
_CORRELATED_NOISE: Final = 0.25
_CORRELATION_LENGTH: Final = 2.0
_NOISE: Final = 0.02
_SHEAR: Final = 0.75

_TEMPLATES: Final = (
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
"""The digits 0 to 9 as curves."""

_NUM_SAMPLES: Final = 6000
_NUM_HELD_OUT: Final = 1000
_SEED: Final = 42


@final
class StridedHost(nn.Module):
    """Three convolutions along the signal, each of stride 2 and followed by a slot, and a linear layer.

    Signals are images of height 1, so that the slots take the blueprints of images: r0c0, r0c1, r0c2.
    """

    def __init__(self, *, width: int = 16) -> None:
        """Build the host with `width` channels; 2,442 parameters with 16."""
        super().__init__()
        channels = (1, width, width, width)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, (1, 3), stride=(1, 2), padding=(0, 1))
            for before, after in pairwise(channels)
        )
        self.slots = nn.ModuleDict({f"r0c{i}": SeedSlot(f"r0c{i}", width) for i in range(3)})
        self.head = nn.Linear(width * _LENGTH // 8, len(_TEMPLATES))

    def forward(self, signals: Tensor) -> Tensor:
        """Return logits (B, 10) of signals (B, 1, 40)."""
        x = signals.unsqueeze(2)
        for convolution, slot in zip(self.convolutions, self.slots.values(), strict=True):
            x = slot(relu(convolution(x)))
        logits: Tensor = self.head(x.flatten(start_dim=1))
        return logits


def _load_samples() -> tuple[Samples, ...]:
    """Return 4,000 signals for training, 1,000 for decisions, 1,000 for the test: inputs (N, 1, 40), standardised."""
    random = np.random.default_rng(_SEED)
    templates = np.asarray(_TEMPLATES)
    templates = (templates - templates.mean(1, keepdims=True)) / templates.std(1, keepdims=True)
    templates = (templates - templates[:, :1]) / 6.0
    labels = random.permutation(np.arange(_NUM_SAMPLES) % len(templates))
    signals = np.stack([_signal(templates[label], random) for label in labels])
    num_train = _NUM_SAMPLES - 2 * _NUM_HELD_OUT
    signals = (signals - signals[:num_train].mean()) / signals[:num_train].std()
    inputs, targets = torch.from_numpy(signals).float().unsqueeze(1), torch.from_numpy(labels)
    sizes = (num_train, _NUM_HELD_OUT, _NUM_HELD_OUT)
    return tuple(
        Samples(inputs=x, targets=y.long())
        for x, y in zip(inputs.split(sizes), targets.split(sizes), strict=True)
    )


def _signal(template: _Signal, random: Generator) -> _Signal:
    """Pad, stretch, scale and shift the template, add noise, shear, and sample 40 values."""
    low, high = _PADDING
    padded = np.concatenate([template, np.zeros(low + int(random.random() * (high - low)))])
    places = np.linspace(0, 1, _PADDED_LENGTH)
    signal = np.interp(places, np.linspace(0, 1, len(padded)), padded)
    signal = signal * (1 + _SCALE * (random.random() - 0.5))
    signal = np.roll(signal, int(random.random() * _MAX_SHIFT))
    signal = np.where(signal == 0.0, _correlated_noise(random), signal)
    signal = signal + _NOISE * random.standard_normal(_PADDED_LENGTH)
    signal = signal - _SHEAR * (random.random() - 0.5) * (places - 0.5)
    sampled: _Signal = np.interp(np.linspace(0, 1, _LENGTH), places, signal)
    return sampled


def _correlated_noise(random: Generator) -> _Signal:
    """Return normal noise, smoothed with a Gaussian that ends at four standard deviations."""
    radius = int(4 * _CORRELATION_LENGTH)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / _CORRELATION_LENGTH) ** 2)
    noise = _CORRELATED_NOISE * random.standard_normal(_PADDED_LENGTH)
    # Mirrored at both ends, so that the noise is as strong there.
    padded = np.pad(noise, radius, mode="symmetric")
    return np.convolve(padded, weights / weights.sum(), mode="valid")


MNIST1D = Task(
    name="mnist1d",
    load_samples=_load_samples,
    build_host=StridedHost,
    num_classes=len(_TEMPLATES),
    optimizer="adamw",
    batch_size=100,
    host_learning_rate=0.02,
    seed_learning_rate=0.02,
    weight_decay=0.01,
    # Of a wider host: docs/concepts/evidence.md.
    price_per_parameter=1.4e-5,
    num_threads=1,
)
