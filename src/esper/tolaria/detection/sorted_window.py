"""The newest values of a series, kept sorted, so that a median costs one look-up and a median deviation one bisection.

Own code, because a check by the robust detector takes about one and a half times as long with
`sortedcontainers.SortedList`, and twice as long with `statistics.median_high` of an unsorted window.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from typing import Final

MAD_TO_SIGMA: Final = 1.4826
"""Standard deviations in a median absolute deviation, for a normal distribution."""


class SortedWindow:
    """Holds the newest `size` values, both in order of arrival and sorted.

    At window sizes up to some hundreds, inserting into a sorted list is one small memmove, so a list with `bisect` is
    all that is needed.
    """

    __slots__ = ("_by_age", "_by_size")

    def __init__(self, size: int, values: Iterable[float] = ()) -> None:
        """Start with the last `size` of `values`."""
        self._by_age: deque[float] = deque(values, maxlen=size)
        self._by_size = sorted(self._by_age)

    def __len__(self) -> int:
        """Return the number of values held."""
        return len(self._by_size)

    @property
    def is_full(self) -> bool:
        """Whether the next value replaces the oldest."""
        return len(self._by_age) == self._by_age.maxlen

    def values(self) -> list[float]:
        """Return the values, oldest first."""
        return list(self._by_age)

    def push(self, value: float) -> None:
        """Add a value, which must not be NaN, and drop the oldest one if the window is full."""
        by_age, by_size = self._by_age, self._by_size
        if len(by_age) == by_age.maxlen:
            del by_size[bisect_left(by_size, by_age[0])]
        by_age.append(value)
        insort(by_size, value)

    def clear(self) -> None:
        """Drop every value."""
        self._by_age.clear()
        self._by_size.clear()

    def median(self) -> float:
        """Return the upper median; the window must not be empty."""
        return self._by_size[len(self._by_size) // 2]

    def quantile(self, share: float) -> float:
        """Return the value that about `share` of the values lie below; the window must not be empty."""
        return self._by_size[int(len(self._by_size) * share)]

    def median_deviation(self) -> float:
        """Return the upper median of |value - median|; the window must not be empty."""
        values = self._by_size
        half = len(values) // 2
        median = values[half]
        # The half of the values that is nearest to the median is contiguous; bisection finds where it starts.
        low, high = 0, len(values) - 1 - half
        while low < high:
            start = (low + high) // 2
            if median - values[start] > values[start + half + 1] - median:
                low = start + 1
            else:
                high = start
        return max(median - values[low], values[low + half] - median)
