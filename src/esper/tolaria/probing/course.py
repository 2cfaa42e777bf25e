"""The control experiment after a rollback: do the losses take the same course once more?

The loss of a game, such as that of two networks that train against each other, is no measure of quality: older weights do
better, and after every return the same rise comes again. Such a rise is the new level and not a fault. A fault that comes
from a step, a batch or a schedule does not repeat itself at the same point of training.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Final

_NUM_KEPT: Final = 512
"""Losses that are remembered."""
_NUM_BEFORE: Final = 16
"""Losses before a rollback whose median is the usual level of the restored weights."""
_NUM_NEEDED: Final = 8
"""Losses that both courses must have in common."""
_MOST: Final = 0.75
"""Share of the last losses that must agree one by one: explosions differ by factors, even if they come at the same step."""
_NUM_PARTS: Final = 4
"""Parts that the courses are compared in, by their medians."""
_NUM_IN_VAIN: Final = 2
"""Rollbacks in a row after which the restored weights were no better at once, so that going back cannot help."""
_TOLERANCE: Final = 0.25
"""Largest distance of two medians, as a share of the rise, in courses that count as the same."""


class Course:
    """Remembers the losses by the number of steps that the weights had been trained for, before and after a rollback."""

    def __init__(self) -> None:
        """Start without any loss."""
        self._present: deque[tuple[int, float]] = deque(maxlen=_NUM_KEPT)
        self._earlier: dict[int, float] = {}
        self._since: list[float] = []
        self._levels: tuple[float, float] | None = None
        self._usual: float | None = None
        self._num_in_vain = 0
        self._tolerated: float | None = None

    def note(self, progress: int, loss: float) -> None:
        """Remember a loss of weights that have been trained for `progress` steps."""
        self._present.append((progress, loss))
        if self._levels is not None and len(self._since) < _NUM_PARTS:
            self._since.append(loss)

    def note_rollback(self, progress: int) -> None:
        """Note that the weights are again those that had been trained for `progress` steps."""
        self._earlier = {at: loss for at, loss in self._present if at >= progress}
        kept = [one for one in self._present if one[0] < progress]
        before, last = kept[-_NUM_BEFORE:], list(self._earlier.values())[-_NUM_PARTS:]
        usual = _median_of(before) if before else self._usual
        if self._levels is not None:
            self._num_in_vain = self._num_in_vain + 1 if self._was_high_at_once() else 0
        # The usual loss of the restored weights, and the one that led to the rollback.
        self._levels = None if usual is None or not last else (usual, median(last))
        self._since = []
        self._present.clear()
        self._present.extend(kept)

    def note_shift(self) -> None:
        """Forget everything but the usual loss, because the losses change on purpose."""
        if self._present:
            self._usual = _median_of(list(self._present)[-_NUM_BEFORE:])
        self._present.clear()
        self._earlier, self._since, self._levels = {}, [], None
        # An announced shift speaks for the data as much as a rollback that changed nothing.
        self._num_in_vain, self._tolerated = 1, None

    def end_control(self) -> None:
        """Draw no further conclusion from the losses after the last rollback: the suspicion has been cleared."""
        self._since, self._levels, self._num_in_vain = [], None, 0

    @property
    def is_in_vain(self) -> bool:
        """Whether restored weights have had losses as high as before at their first step, after two rollbacks in a row."""
        return self._num_in_vain + self._was_high_at_once() >= _NUM_IN_VAIN

    def is_repeated(self, loss: float, *, is_convicted: bool = False) -> bool:
        """Return whether the last rollback has changed nothing.

        Either the losses after it were as high at once as those that had led to it, or they have risen as they did before
        it, up to `loss`. Once they have, the same rise above the level that was reached is tolerated too. Where a
        comparison `is_convicted`, an older snapshot does better on the same batches, so that high losses after the
        rollback are no evidence: its snapshot may have been damaged as well.
        """
        if self._tolerated is not None and loss <= self._tolerated:
            return True
        has_stayed_high = not is_convicted and self._has_stayed_high()
        return has_stayed_high or self._has_risen_again(loss)

    def tolerate(self, loss: float) -> None:
        """Tolerate losses up to `loss` from now on, because going back has not changed them."""
        self._tolerated = loss if self._tolerated is None else max(loss, self._tolerated)

    def state_dict(self) -> dict[str, Any]:
        """Return both courses in plain types."""
        return {
            "present": list(self._present),
            "earlier": dict(self._earlier),
            "since": list(self._since),
            "levels": self._levels,
            "usual": self._usual,
            "num_in_vain": self._num_in_vain,
            "tolerated": self._tolerated,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        earlier, tolerated = dict(state["earlier"]), state["tolerated"]
        since, levels = list(state["since"]), state["levels"]
        present = [(at, loss) for at, loss in state["present"]]
        self._present.clear()
        self._present.extend(present)
        self._earlier, self._tolerated = earlier, tolerated
        self._since, self._levels = since, None if levels is None else (levels[0], levels[1])
        # Checkpoints of earlier versions do not hold these.
        self._usual, self._num_in_vain = state.get("usual"), state.get("num_in_vain", 0)

    def _was_high_at_once(self) -> bool:
        """Return whether the first loss after the last rollback, that of the restored weights, was high."""
        if self._levels is None or not self._since:
            return False
        usual, high = self._levels
        return high > usual and self._since[0] >= usual + _TOLERANCE * (high - usual)

    def _has_stayed_high(self) -> bool:
        if self._levels is None or len(self._since) < _NUM_PARTS:
            return False
        usual, high = self._levels
        # A single batch may be easy.
        return self._was_high_at_once() and median(self._since) >= high - _TOLERANCE * (
            high - usual
        )

    def _has_risen_again(self, loss: float) -> bool:
        common = [(self._earlier[at], one) for at, one in self._present if at in self._earlier]
        if len(common) < _NUM_NEEDED:
            return False
        before, after = (_medians(values) for values in zip(*common, strict=True))
        rise = after[-1] - min(after)
        distances = [abs(one - other) for one, other in zip(before, after, strict=True)]
        if rise <= 0.0 or max(distances) > _TOLERANCE * rise:
            return False
        last = common[-_NUM_NEEDED:]
        num_equal = sum(abs(one - other) <= _TOLERANCE * rise for one, other in last)
        if num_equal < _MOST * len(last):
            return False
        self._tolerated = max(loss, after[-1]) + rise
        return True


def _median_of(entries: Sequence[tuple[int, float]]) -> float:
    return median(loss for _, loss in entries)


def _medians(values: Sequence[float]) -> list[float]:
    """Return the median of each of `_NUM_PARTS` parts of `values`, in order."""
    bounds = [len(values) * part // _NUM_PARTS for part in range(_NUM_PARTS + 1)]
    return [median(values[start:stop]) for start, stop in pairwise(bounds)]
