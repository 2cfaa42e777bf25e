"""The size and the noise of a series of losses, which say how large a difference must be to matter."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from statistics import median
from typing import Any, Final

_NUM_FIRST: Final = 16
"""Losses at the start of a series whose median is the size of the losses of an untrained network."""
_NUM_RECENT: Final = 64
"""Recent losses whose neighbours are compared."""
_NUM_ENOUGH: Final = 8
"""Recent losses needed before their noise is estimated."""
_STEP_TO_SIGMA: Final = 1.4826 / math.sqrt(2.0)
"""Standard deviation of a normal series over the median absolute difference of its neighbours."""


class LossScale:
    """Remembers the first losses of a series and the recent healthy ones."""

    def __init__(self) -> None:
        """Start without any loss."""
        self._first: list[float] = []
        self._recent: deque[float] = deque(maxlen=_NUM_RECENT)

    def note(self, loss: float) -> None:
        """Remember a healthy loss."""
        if len(self._first) < _NUM_FIRST:
            self._first.append(abs(loss))
        self._recent.append(loss)

    def restart_noise(self) -> None:
        """Forget the recent losses, because those that follow have another level."""
        self._recent.clear()

    @property
    def first_size(self) -> float:
        """Median size of the first losses; 0 before the first."""
        return median(self._first) if self._first else 0.0

    @property
    def usual(self) -> float | None:
        """Median of the recent healthy losses; None while there are too few."""
        return median(self._recent) if len(self._recent) >= _NUM_ENOUGH else None

    @property
    def noise(self) -> float:
        """Standard deviation of the noise; 0 while there are too few losses.

        It is estimated from the differences of neighbours, so that a trend does not count as noise.
        """
        if len(self._recent) < _NUM_ENOUGH:
            return 0.0
        return _STEP_TO_SIGMA * median(abs(one - other) for one, other in pairwise(self._recent))

    def state_dict(self) -> dict[str, Any]:
        """Return the remembered losses in plain types."""
        return {"first": list(self._first), "recent": list(self._recent)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        first, recent = list(state["first"]), list(state["recent"])
        self._first = first
        self._recent.clear()
        self._recent.extend(recent)
