"""Curves of a run: a bounded number of points that keeps the first, last, lowest and highest of every stretch."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal, final

from esper.karn.field_info import find_field

Axis = Literal["step", "epoch", "time"]
"""Meaning of the x values: step of the training loop, epoch from 1, or wall time in nanoseconds since 1970 UTC."""

MAX_BUCKETS: Final = 512
"""Stretches into which a long curve is divided; each keeps four points."""
MAX_RAW: Final = 2048
"""Newest points that are kept as they are; a power of 2, so that a multiple of a short stretch fits."""
_MAX_MARKS: Final = 100
"""NaN and infinities of a curve whose place is kept; further ones are only counted."""

_BucketPoint = tuple[int, int, float]
"""Number of the point in the curve, x and y."""
_Bucket = tuple[_BucketPoint, ...]
"""First, lowest, highest and last point of a stretch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A value of a curve that is NaN or infinite."""

    x: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A curve. Its points are in the order of their events, so x can go back where a run was resumed."""

    name: str
    """Name of the field in the contract, such as `val_loss`, or of the metric that the training loop logged."""
    axis: Axis
    """Meaning of `x`: "step", "epoch" (from 1; 0 before the first) or "time" (ns since 1970 UTC)."""
    event: str
    """Event of the contract from which the values are, such as EPOCH_COMPLETED."""
    field: str
    """Path of the field, such as `val_loss`, `seeds.alpha` or `metrics`; `unit` and `doc` are looked up by it."""
    rank: int
    """Rank of the process that wrote it; the lowest if several ranks did."""
    env_id: int
    """Training environment, from 0; -1 if the channel was not bound to one, or the event has no environment."""
    x: tuple[int, ...]
    y: tuple[float | None, ...]
    """Values, as many as `x`; None where the value is NaN or infinite (see `marks`)."""
    num_points: int
    """Values that the log has, including those that are NaN or infinite; `x` has fewer if the curve is thinned."""
    is_thinned: bool
    """Whether `x` lacks points; each stretch still has its first, last, lowest and highest."""
    low: float | None
    """Lowest finite value of all; None if there is no finite one."""
    high: float | None
    """Highest finite value of all; None if there is no finite one."""
    num_nonfinite: int
    """Values that are NaN or infinite."""
    marks: tuple[Mark, ...]
    """Their places; the first 100 of each process."""

    @property
    def unit(self) -> str | None:
        """Unit in the contract, such as `nats`; None if the values have no unit."""
        info = find_field(self.event, self.field)
        unit = None if info is None else info.unit
        return None if unit == "1" else unit

    @property
    def doc(self) -> str | None:
        """Description in the contract; None if the contract has no such field."""
        info = find_field(self.event, self.field)
        return None if info is None else info.doc

    @property
    def last(self) -> float | None:
        """Newest value; None if it is NaN or infinite, or there is no value."""
        return self.y[-1] if self.y else None


@final
class SeriesBuilder:
    """Collects the points of a curve in bounded memory.

    The result depends on the points and their order only: stretches are closed at fixed numbers of points. Once there are
    more than `MAX_BUCKETS` of them, neighbours are joined, so all have the same length.

    Attributes:
        x: x of the newest points, which are kept as they are.
        y: their values.
        buckets: the points before them, by stretches.
        size: points of a whole stretch.
        flushed: points in `buckets`, of which the last may be unfinished.
        marks: places of values that are NaN or infinite, of the points in `buckets`.
        num_nonfinite: how many such values there are.
    """

    __slots__ = ("buckets", "flushed", "marks", "num_nonfinite", "size", "x", "y")

    def __init__(self) -> None:
        """Start without points."""
        self.x = array("q")
        self.y = array("d")
        self.buckets: list[_Bucket] = []
        self.size = 1
        self.flushed = 0
        self.marks: list[Mark] = []
        self.num_nonfinite = 0

    def add(self, x: int, y: float) -> None:
        """Add a point."""
        self.x.append(x)
        self.y.append(y)
        if len(self.x) >= MAX_RAW:
            self.flush()

    def flush(self) -> None:
        """Move the newest points into buckets."""
        y, count = self.y, len(self.x)
        # Half of the stretches stay free, so that the buckets are not joined at every call.
        while (self.flushed + count) > self.size * MAX_BUCKETS:
            self._join_buckets()
        step = min(self.size, MAX_RAW)
        is_clean = isfinite(sum(y))
        for start in range(0, count, step):
            self._add_bucket(self._reduce(start, min(start + step, count), is_clean))
            self.flushed += min(step, count - start)
        self.x, self.y = array("q"), array("d")

    def _add_bucket(self, bucket: _Bucket) -> None:
        if self.flushed % self.size and self.buckets:
            self.buckets[-1] = _join(self.buckets[-1], bucket)
        else:
            self.buckets.append(bucket)

    def _join_buckets(self) -> None:
        """Join each two neighbours."""
        pairs = zip(self.buckets[::2], self.buckets[1::2], strict=False)
        joined = [_join(first, second) for first, second in pairs]
        if len(self.buckets) % 2:
            joined.append(self.buckets[-1])
        self.buckets = joined
        self.size *= 2

    def _reduce(self, start: int, end: int, is_clean: bool) -> _Bucket:
        """Return the bucket of the newest points from `start` to `end`."""
        x, y, flushed = self.x, self.y, self.flushed - start
        if is_clean and end - start == 1:
            return ((flushed + start, x[start], y[start]),)
        if not is_clean:
            return self._reduce_marked(start, end)
        part = y[start:end]
        low, high = start + part.index(min(part)), start + part.index(max(part))
        return tuple((flushed + i, x[i], y[i]) for i in sorted({start, low, high, end - 1}))

    def _reduce_marked(self, start: int, end: int) -> _Bucket:
        """Do the work of `_reduce` where some values may be NaN or infinite, which become marks."""
        flushed = self.flushed - start
        points = []
        for index in range(start, end):
            value = self.y[index]
            if isfinite(value):
                points.append((flushed + index, self.x[index], value))
            else:
                self.num_nonfinite += 1
                if len(self.marks) < _MAX_MARKS:
                    self.marks.append(Mark(x=self.x[index], value=value))
        return _extremes(points)

    @property
    def num_points(self) -> int:
        """Number of points that were added."""
        return self.flushed + len(self.x)

    def _points(self) -> tuple[list[int], list[float | None], list[Mark], int]:
        """Return x, y, marks, and the number of values that are NaN or infinite."""
        xs: list[int] = []
        ys: list[float | None] = []
        for bucket in self.buckets:
            for _, x, y in bucket:
                xs.append(x)
                ys.append(y)
        marks, num_nonfinite = self.marks[:], self.num_nonfinite
        xs += self.x
        if isfinite(sum(self.y)):
            ys += self.y
            return xs, ys, marks, num_nonfinite
        for x, y in zip(self.x, self.y, strict=True):
            if isfinite(y):
                ys.append(y)
                continue
            ys.append(None)
            num_nonfinite += 1
            if len(marks) < _MAX_MARKS:
                marks.append(Mark(x=x, value=y))
        return xs, ys, marks, num_nonfinite


def build_series(
    builders: Sequence[SeriesBuilder],
    *,
    name: str,
    axis: Axis,
    event: str,
    field: str,
    rank: int = 0,
    env_id: int = -1,
) -> Series:
    """Return the curve of the points of several builders, one after another; each has those of one process."""
    xs: list[int] = []
    ys: list[float | None] = []
    marks: list[Mark] = []
    num_nonfinite = 0
    for builder in builders:
        x, y, own_marks, own_nonfinite = builder._points()
        xs += x
        ys += y
        marks += own_marks
        num_nonfinite += own_nonfinite
    finite = [value for value in ys if value is not None]
    num_points = sum(builder.num_points for builder in builders)
    return Series(
        name=name,
        axis=axis,
        event=event,
        field=field,
        rank=rank,
        env_id=env_id,
        x=tuple(xs),
        y=tuple(ys),
        num_points=num_points,
        is_thinned=len(finite) < num_points - num_nonfinite,
        low=min(finite, default=None),
        high=max(finite, default=None),
        num_nonfinite=num_nonfinite,
        marks=tuple(marks),
    )


def _join(first: _Bucket, second: _Bucket) -> _Bucket:
    return _extremes([*first, *second])


def _extremes(points: Iterable[_BucketPoint]) -> _Bucket:
    """Return the first, lowest, highest and last of points, in their order and each once."""
    kept = list(points)
    if len(kept) < 3:
        return tuple(kept)
    low = min(kept, key=lambda point: point[2])
    high = max(kept, key=lambda point: point[2])
    return tuple(sorted({kept[0], low, high, kept[-1]}))
