"""Remembers which event numbers have been read, to find missing and repeated ones."""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from typing import final


@final
class EventNumbers:
    """The event numbers of one series that have been read.

    A damaged number may be any number, also a huge one. It must not hide the events whose numbers it skips, so the
    numbers are kept as intervals: one for a log without gaps, one more for each gap.

    Attributes:
        expected: number that follows the latest new one.
        num_unreadable: lines since the latest new number that could not be read; each was an event and used a number.
    """

    def __init__(self) -> None:
        """Expect number 0."""
        self.expected = 0
        self.num_unreadable = 0
        self._starts = [0]
        self._ends = [0]
        self._current = 0
        self._limit = inf

    def is_next(self, seq: int) -> bool:
        """Return whether `seq` follows the latest number, if only unreadable lines are between them."""
        return self.expected <= seq <= self.expected + self.num_unreadable

    def add(self, seq: int) -> bool:
        """Add a number; return False if it was there already."""
        if seq == self.expected and seq < self._limit:
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
        self._current = index
        self._limit = self._starts[index + 1] if index + 1 < len(self._starts) else inf
        self.expected = seq + 1
        return True
