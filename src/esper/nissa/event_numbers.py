"""Remembers which event numbers have been read, to find missing and repeated ones."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import inf
from typing import final


@final
class EventNumbers:
    """The event numbers of one series that have been read.

    A damaged number may be any number, also a huge one. It must not hide the events whose numbers it skips, so the
    numbers are kept as intervals: one for a log without gaps, one more for each gap.

    Attributes:
        expected: number that follows the latest new one.
        limit: first number above `expected` that has been read already; infinity if there is none.
        num_unreadable: lines since the latest new number that could not be read; each was an event and used a number.
    """

    def __init__(self) -> None:
        """Expect number 0."""
        self.expected = 0
        self.num_unreadable = 0
        self._starts = [0]
        self._ends = [0]
        self._current = 0
        self.limit = inf

    @classmethod
    def from_intervals(cls, intervals: Iterable[Sequence[int]], current: int) -> EventNumbers:
        """Return the numbers that `intervals` and `current_interval` of another instance describe."""
        numbers = cls()
        numbers._starts, numbers._ends = [], []
        for start, end in intervals:
            numbers._starts.append(start)
            numbers._ends.append(end)
        numbers._select(current)
        numbers.expected = numbers._ends[current]
        return numbers

    @property
    def intervals(self) -> list[tuple[int, int]]:
        """The numbers that were read, as intervals: the first number, and the one after the last."""
        self._ends[self._current] = self.expected
        return list(zip(self._starts, self._ends, strict=True))

    @property
    def current_interval(self) -> int:
        """Position of the interval that holds the newest number."""
        return self._current

    def is_next(self, seq: int) -> bool:
        """Return whether `seq` follows the latest number, if only unreadable lines are between them."""
        return self.expected <= seq <= self.expected + self.num_unreadable

    def add(self, seq: int) -> bool:
        """Add a number; return False if it was there already."""
        if seq == self.expected and seq < self.limit:
            self.expected = seq + 1
        elif not self._add_elsewhere(seq):
            return False
        self.num_unreadable = 0
        return True

    def _add_elsewhere(self, seq: int) -> bool:
        """Add a number that does not extend the current interval."""
        self._ends[self._current] = self.expected
        index = bisect_right(self._starts, seq) - 1
        if seq < self._ends[index]:
            return False
        if seq > self._ends[index]:
            index += 1
            self._starts.insert(index, seq)
            self._ends.insert(index, seq)
        self._select(index)
        self.expected = seq + 1
        return True

    def _select(self, index: int) -> None:
        """Let the interval at `index` be the one that grows."""
        self._current = index
        self.limit = self._starts[index + 1] if index + 1 < len(self._starts) else inf
