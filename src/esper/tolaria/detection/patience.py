"""How many anomalous losses in a row are needed before they mean something: more, the more often single ones mean nothing.

In a healthy mixture, one batch in five may be hard. Two or three hard ones in a row are certain among thousands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_MEMORY: Final = 2000.0
"""Losses after which an earlier one counts only by about a third."""
_PRIOR: Final = 0.5
"""Idle alarms that are assumed before the first, so that a short history does not count as proof."""
_ODDS: Final = (1e-5, 1e-6)
"""Accepted probability, for each loss, that a series of idle alarms leads to a rollback: while there were no idle alarms,
and since."""


class Patience:
    """Counts the alarms that came to nothing: the losses were healthy again without a rollback."""

    def __init__(self) -> None:
        """Start without any loss."""
        self._num_losses = self._num_idle = 0.0

    def note(self, num_idle: int) -> None:
        """Note a healthy loss, right after `num_idle` anomalous ones in a row."""
        keep = 1.0 - 1.0 / _MEMORY
        self._num_losses = self._num_losses * keep + 1.0 + num_idle
        self._num_idle = self._num_idle * keep + num_idle

    def required(self, least: int) -> int:
        """Return how many alarms in a row lead to a rollback, at least `least`."""
        share = min(0.9, (self._num_idle + _PRIOR) / (self._num_losses + 1.0))
        odds = _ODDS[self._num_idle >= _PRIOR]
        return max(least, math.ceil(math.log(odds) / math.log(share)))

    def state_dict(self) -> list[float]:
        """Return both counts."""
        return [self._num_losses, self._num_idle]

    def load_state_dict(self, state: Sequence[float]) -> None:
        """Restore what `state_dict` returned."""
        self._num_losses, self._num_idle = state
