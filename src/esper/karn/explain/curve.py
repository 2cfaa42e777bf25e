"""The losses of a run's epochs, as the rules judge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import median
from typing import Any

from esper.karn.story import Event, RunStory

_NORMAL = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochLoss:
    """The losses of an epoch; `event` is where they are from."""

    epoch: int
    train: float | None
    val: float
    event: Event[Any]


def losses_of(story: RunStory) -> tuple[EpochLoss, ...]:
    """Return the epochs of the first environment that have a finite decision loss, that on the validation samples."""
    first = story.epochs[0].payload.env_id if story.epochs else None
    found: list[EpochLoss] = []
    for event in story.epochs:
        val, train = event.payload.val_loss, event.payload.train_loss
        if event.payload.env_id == first and event.epoch is not None and is_number(val):
            assert val is not None
            found.append(
                EpochLoss(
                    epoch=event.epoch,
                    val=val,
                    train=train if is_number(train) else None,
                    event=event,
                )
            )
    return tuple(found)


def is_number(value: float | None) -> bool:
    """Return whether a value is in the log and finite."""
    return value is not None and isfinite(value)


def noise_of(values: Sequence[float]) -> float:
    """Return the standard deviation of the noise of a curve, robustly, from its second differences; 0 for a short curve."""
    bends = [abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    # The second difference of independent noise has a variance of 1 + 4 + 1 times that of the noise.
    return _NORMAL * median(bends) / sqrt(6) if bends else 0.0


def newest(values: Sequence[float]) -> float:
    """Return the median of the newest three values."""
    return median(values[-3:])
