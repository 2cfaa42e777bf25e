"""The size and the noise of a series of losses, which say how large a difference must be to matter."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Final

from esper.tolaria.detection.sorted_window import MAD_TO_SIGMA

_NUM_FIRST: Final = 16
"""Losses at the start of a series whose median is the level of an untrained network."""
_NUM_RECENT: Final = 64
"""Recent losses whose neighbours are compared."""
_NUM_ENOUGH: Final = 8
"""Recent losses needed before their noise is estimated."""
_LEAST_SHARE: Final = 0.01
"""Share of the first losses that counts as progress where there has been less, for networks that are trained further."""
_STEP_TO_SIGMA: Final = MAD_TO_SIGMA / math.sqrt(2.0)
"""Standard deviation of a normal series over the median absolute difference of its neighbours."""
_NUM_IN_BLOCK: Final = 4
"""Losses in a row that are compared with so many before them."""
_CORRELATED: Final = 1.5
"""Ratio of the two estimates of the noise above which neighbours resemble each other."""


class LossScale:
    """Remembers the first losses of a series and the recent healthy ones."""

    def __init__(self) -> None:
        """Start without any loss."""
        self._first: list[float] = []
        self._recent: deque[float] = deque(maxlen=_NUM_RECENT)
        self._lowest: float | None = None
        self._num_until_level = _NUM_ENOUGH

    def note(self, loss: float) -> None:
        """Remember a healthy loss."""
        if len(self._first) < _NUM_FIRST:
            self._first.append(loss)
        self._recent.append(loss)
        self._num_until_level -= 1
        if self._num_until_level <= 0:
            self._num_until_level = _NUM_ENOUGH
            level = median(list(self._recent)[-_NUM_ENOUGH:])
            self._lowest = level if self._lowest is None else min(self._lowest, level)

    def restart_noise(self) -> None:
        """Forget the recent losses, because those that follow have another level."""
        self._recent.clear()

    def forget_newest(self, num: int) -> None:
        """Forget the newest `num` losses, those of steps that are undone; as many as an estimate needs are kept.

        Those of the first damaged steps are taken for healthy, and would make the noise large and later damage small.
        """
        for _ in range(min(num, len(self._recent) - _NUM_ENOUGH)):
            self._recent.pop()

    @property
    def progress(self) -> float:
        """How far training has lowered the loss: from the median of the first losses to the lowest level so far.

        So a part of the loss that no training can remove does not matter. It is at least a hundredth of the first losses.
        """
        if not self._first:
            return 0.0
        first = median(self._first)
        fall = 0.0 if self._lowest is None else first - self._lowest
        return max(fall, _LEAST_SHARE * abs(first))

    @property
    def usual(self) -> float | None:
        """Median of the recent healthy losses; None while there are too few."""
        return median(self._recent) if len(self._recent) >= _NUM_ENOUGH else None

    @property
    def noise(self) -> float:
        """Standard deviation of the noise; 0 while there are too few losses.

        It is estimated from the differences of neighbours, so that a trend does not count as noise. Where batches resemble
        those before them, as in data that are not shuffled, neighbours differ too little. So the means of a few losses in
        a row are compared too, and what these say counts if it is clearly more.
        """
        recent = list(self._recent)
        if len(recent) < _NUM_ENOUGH:
            return 0.0
        single = _noise_of([other - one for one, other in pairwise(recent)])
        sums = [
            sum(recent[at : at + _NUM_IN_BLOCK]) for at in range(len(recent) - _NUM_IN_BLOCK + 1)
        ]
        changes = [later - one for one, later in zip(sums, sums[_NUM_IN_BLOCK:], strict=False)]
        if len(changes) < _NUM_ENOUGH:
            return single
        middle = median(changes)
        # The sum of n independent losses has the noise of one times the root of n.
        joint = _noise_of([change - middle for change in changes]) / math.sqrt(_NUM_IN_BLOCK)
        return joint if joint > _CORRELATED * single else single

    def state_dict(self) -> dict[str, Any]:
        """Return the remembered losses in plain types."""
        return {
            "first": list(self._first),
            "recent": list(self._recent),
            "lowest": self._lowest,
            "num_until_level": self._num_until_level,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        first, recent = list(state["first"]), list(state["recent"])
        lowest, num_until_level = state["lowest"], state["num_until_level"]
        self._first, self._lowest, self._num_until_level = first, lowest, num_until_level
        self._recent.clear()
        self._recent.extend(recent)


def _noise_of(differences: Sequence[float]) -> float:
    return _STEP_TO_SIGMA * median(map(abs, differences))
