"""Finds where the losses of two runs part: the first that is not the same, and the first that differs by more than noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final

from esper.karn.charts.rows import MAX_NAME, points_of
from esper.karn.explain.curve import noise_of
from esper.karn.series import Axis, Series
from esper.karn.story import RunStory
from esper.leyline.text import printable

NOISE_FACTOR: Final = 4.0
"""Standard deviations of the noise of both curves that a difference beyond noise exceeds."""
NUM_IN_A_ROW: Final = 3
"""Points in a row that must do so, on the same side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """Where the curve of a run parts from that of the first run."""

    run: str
    """The run that is compared with the first one."""
    curve: str
    """Name of the loss, such as `val_loss`."""
    axis: Axis
    """Meaning of the places: step, epoch or time."""
    num_compared: int
    """Places at which both curves have a finite value."""
    is_thinned: bool
    """Whether a curve lacks points, so that the losses may part earlier."""
    first_difference: int | None
    """First place at which the values are not exactly the same; None if they are the same everywhere."""
    value: float | None
    """Value of the first run there."""
    other_value: float | None
    """Value of this run there."""
    noise: float
    """Standard deviation of the noise of both curves together."""
    beyond_noise: int | None
    """First of three places in a row at which the difference exceeds 4 times the noise; None if there are none."""


def find_partings(stories: Sequence[RunStory], names: Sequence[str]) -> Iterator[Parting]:
    """Yield where each loss of the further runs parts from that of the first run; `names` are those of the runs."""
    first = stories[0].losses
    for name, story in zip(names[1:], stories[1:], strict=True):
        for curve, series in story.losses.items():
            if curve in first and first[curve].axis == series.axis:
                yield find_parting(first[curve], series, run=name, curve=curve)


def find_parting(first: Series, other: Series, *, run: str, curve: str) -> Parting:
    """Return where two curves part."""
    # Where a run was resumed, a place can occur twice; the newer value counts.
    ours, theirs = dict(points_of(first)), dict(points_of(other))
    places = sorted(ours.keys() & theirs.keys())
    noise = hypot(*(noise_of([values[x] for x in places]) for values in (ours, theirs)))
    differing = next((x for x in places if ours[x] != theirs[x]), None)
    return Parting(
        run=run,
        curve=printable(curve, MAX_NAME),
        axis=first.axis,
        num_compared=len(places),
        is_thinned=first.is_thinned or other.is_thinned,
        first_difference=differing,
        value=None if differing is None else ours[differing],
        other_value=None if differing is None else theirs[differing],
        noise=noise,
        beyond_noise=_find_beyond(places, [ours[x] - theirs[x] for x in places], noise),
    )


def _find_beyond(places: Sequence[int], gaps: Sequence[float], noise: float) -> int | None:
    limit = NOISE_FACTOR * noise
    for start in range(len(gaps) - NUM_IN_A_ROW + 1):
        part = gaps[start : start + NUM_IN_A_ROW]
        if min(part) > limit or max(part) < -limit:
            return places[start]
    return None
