"""How often, and for how long, a series exceeds a limit without any damage: what is usual for it is no evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final

_PRIOR: Final = (0.5, 50.0)
"""Exceedances and values that every series is assumed to have had: one in a hundred."""
_MEMORY: Final = 1.0 - 1.0 / 2048.0
"""Factor by which older values count less with each new one."""
_LENGTH_MEMORY: Final = 1.0 - 1.0 / 4096.0
"""Factor by which the longest harmless run is forgotten with each new value."""
_LONGER: Final = 1.5
"""Multiple of the longest harmless run that is still unremarkable."""

_LARGER: Final = 3.0
"""Multiple of the largest harmless exceedance above which the record of harmless ones says nothing."""


@dataclass(slots=True)
class Tail:
    """Counts the values above a limit, in runs that ended by themselves, and the length of the present run."""

    exceedances: float = 0.0
    """Values above the limit in runs that ended by themselves; older ones count less."""
    values: float = 0.0
    """All values; older ones count less."""
    longest: float = 0.0
    """Length of the longest run that ended by itself; it is forgotten slowly."""
    run: int = 0
    """Values above the limit in a row, up to the last value."""

    largest: float = 0.0
    """Largest size in runs that ended by themselves; it is forgotten slowly."""
    run_least: float = 0.0
    """Smallest size in the present run."""
    run_largest: float = 0.0
    """Largest size in the present run."""

    def note(self, is_above: bool, size: float = 0.0) -> int:
        """Count a value and return the length of the present run, 0 if this value is not above the limit.

        `size` says how far it is above its usual level; 0 where that does not matter.
        """
        self.values = self.values * _MEMORY + 1.0
        self.exceedances *= _MEMORY
        self.longest *= _LENGTH_MEMORY
        self.largest *= _LENGTH_MEMORY
        if is_above:
            self.run_least = min(self.run_least, size) if self.run else size
            self.run_largest = max(self.run_largest, size)
            self.run += 1
            return self.run
        self.end_run(is_harmless=True)
        return 0

    def is_rarer(self, probability: float) -> bool:
        """Return whether the present run is longer than the usual ones, and so long by chance at most that often.

        The chance of a run of length n is taken as p to the power n, p being the share of values above the limit. Where
        all values of the run are far larger than any harmless one, there is no record of such values.
        """
        if self.run and 0.0 < _LARGER * self.largest < self.run_least:
            return self.run * math.log(_PRIOR[0] / (_PRIOR[1] + self.values)) <= math.log(
                probability
            )
        share = (_PRIOR[0] + self.exceedances) / (_PRIOR[1] + self.values)
        is_long = self.run > _LONGER * self.longest or self.longest < 1.0
        return is_long and self.run * math.log(share) <= math.log(probability)

    def end_run(self, *, is_harmless: bool) -> None:
        """End the present run; it counts as usual for the series if it `is_harmless`."""
        if is_harmless and self.run:
            self.exceedances += self.run
            self.longest = max(self.longest, float(self.run))
            self.largest = max(self.largest, self.run_largest)
        self.run, self.run_least, self.run_largest = 0, 0.0, 0.0

    def to_list(self) -> list[float]:
        """Return the counts in plain types."""
        return list(_counts_of(self))

    @classmethod
    def from_list(cls, counts: Sequence[float]) -> Tail:
        """Return the tail for which `to_list` returned `counts`."""
        exceedances, values, longest, run, *sizes = counts  # older files hold no sizes
        return cls(exceedances, values, longest, int(run), *sizes)


_counts_of: Final = attrgetter(*[each.name for each in fields(Tail)])
"""Returns the fields in their order. `dataclasses.astuple` copies them one by one, which each snapshot would wait for."""
