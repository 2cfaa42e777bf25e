"""Judges finite gradient norms: a sudden rise is often the earliest sign of damage, a step before the loss shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import Any, Final

from esper.tolaria.detection.sorted_window import MAD_TO_SIGMA, SortedWindow
from esper.tolaria.detection.tail import Tail

_WINDOW: Final = 128
"""Number of norms that a new one is compared with."""
_WARM_UP: Final = 32
"""Norms needed before one is judged."""
_DEVIATIONS: Final = 6.0
"""Standard deviations of the log-norm above the median that a spike exceeds."""
_LEAST_RATIO: Final = 2.0
"""Multiple of the median that a spike exceeds as well."""
_RARE: Final = 1.0 / 100.0
"""Chance below which a row of spikes is an anomaly."""
_NUM_NEWEST: Final = 8
"""Norms whose median is compared with that of the norms before."""
_NUM_GROUPS: Final = 3
"""Groups of so many newest norms of which one must be larger: Adam may soon have grown used to damage."""
_GROWN: Final = 1.25
"""Multiple of the earlier norms above which gradients have grown."""


class GradientNorms:
    """The norms of recent gradients, by their logarithm: they vary by factors.

    A norm alone is no reason to roll back, since nothing is damaged before the step.
    """

    def __init__(self) -> None:
        """Start without a history."""
        self._logs = SortedWindow(_WINDOW)
        self._tail = Tail()

    def is_spike(self, norm: float) -> bool:
        """Judge the next norm, any float, and return whether it is far above the usual ones; it is remembered either way.

        A norm of 0, and one that is not finite, is neither judged nor remembered.
        """
        if not math.isfinite(norm) or norm <= 0.0:
            return False
        now, is_spike = math.log(norm), False
        if len(self._logs) >= _WARM_UP:
            # Norms have no trend that matters within a window, so the spread around the median is their noise.
            deviation = MAD_TO_SIGMA * self._logs.median_deviation()
            limit = max(_DEVIATIONS * deviation, math.log(_LEAST_RATIO))
            is_spike = now > self._logs.median() + limit
            self._tail.note(is_spike)
        self._logs.push(now)
        return is_spike and self._tail.is_rarer(_RARE)

    def have_grown(self) -> bool | None:
        """Return whether some of the newest norms are larger than those before; None if they do not tell.

        Weights that are damaged lie further from where training has led them, and their gradients are larger. Where a
        loss rises by itself, as in a game of two networks, they are not.
        """
        logs = self._logs.values()
        # Norms that never vary, as those of normalised gradients, say nothing.
        if len(logs) < _WARM_UP or min(logs) == max(logs):
            return None
        num_newest = _NUM_GROUPS * _NUM_NEWEST
        newest = logs[-num_newest:]
        groups = [newest[at : at + _NUM_NEWEST] for at in range(0, num_newest, _NUM_NEWEST)]
        change = max(map(median, groups)) - median(logs[:-num_newest])
        return change > math.log(_GROWN)

    @property
    def are_constant(self) -> bool:
        """Whether there are norms, and they never vary, as those of normalised gradients."""
        logs = self._logs.values()
        return bool(logs) and min(logs) == max(logs)

    def expect_shift(self) -> None:
        """Drop the history: gradients may be larger from now on."""
        self._logs.clear()
        self._tail.end_run(is_harmless=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the logarithms, oldest first, and the record of harmless spikes, in plain types."""
        return {"logs": self._logs.values(), "tail": self._tail.to_list()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError: an entry is missing.
        """
        logs, tail = SortedWindow(_WINDOW, state["logs"]), Tail.from_list(state["tail"])
        self._logs, self._tail = logs, tail
