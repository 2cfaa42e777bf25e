"""Notices a small but lasting rise of the losses early, from their standard scores (Page's cumulative sum).

A detector that acts alone must be sure. A suspicion only costs a few forward passes, so it may be raised on far less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ALLOWANCE: Final = 0.5
"""Standard deviations that a loss may lie above its usual value without adding to the sum."""
_LARGEST: Final = 3.0
"""Largest score that counts: a single loss must not raise a suspicion."""
_LIMIT: Final = 5.0
"""Sum that raises a suspicion: about one in a thousand losses by chance, or ten losses that lie one deviation too high."""
_LARGEST_LIMIT: Final = 80.0
_EASING: Final = 0.998
"""Factor by which a raised limit falls with each loss."""


class Onset:
    """Sums up how far the losses lie above their usual value."""

    def __init__(self) -> None:
        """Start with a sum of 0."""
        self._sum = 0.0
        self._limit = _LIMIT

    def note(self, score: float | None) -> bool:
        """Take the standard score of a loss that is not anomalous, None if unknown; return whether to suspect a rise."""
        self._limit = max(_LIMIT, self._limit * _EASING)
        if score is None:
            return False
        self._sum = max(0.0, self._sum + min(score, _LARGEST) - _ALLOWANCE)
        if self._sum <= self._limit:
            return False
        self._sum = 0.0
        # Each suspicion makes the next one less likely, so that a series with long tails costs little.
        self._limit = min(2.0 * self._limit, _LARGEST_LIMIT)
        return True

    def restart(self) -> None:
        """Start again with a sum of 0, because the losses have another level."""
        self._sum = 0.0

    def confirm(self) -> None:
        """Note that a suspicion was founded, so that the next one may be raised as easily."""
        self._sum, self._limit = 0.0, _LIMIT

    def state_dict(self) -> dict[str, Any]:
        """Return the sum and the limit."""
        return {"sum": self._sum, "limit": self._limit}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        self._sum, self._limit = state["sum"], state["limit"]
