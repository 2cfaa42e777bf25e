"""Judges alarms without a probe by how far the weights have moved: damage moves them farther than training does.

Other data make the loss high at once, while the weights have moved as usual. So the first anomalous loss of a row
decides: later ones come after steps on the other data, which may move the weights far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.probing.comparison import Ruling
from esper.tolaria.probing.onset import Onset
from esper.tolaria.snapshots.travel import Travel

_USUAL: Final = 2.3
"""Multiple of the usual distance up to which a tensor has moved as usual."""
_FAR: Final = 3.0
"""Multiple of the usual distance from which all weights together have moved too far for training."""
_FAR_ALONE: Final = 6.0
"""The same for a single tensor: one of many has often moved far by chance."""
_RAISED: Final = 3.0
"""Multiple of the highest learning rate so far from which the present one has been raised."""
_FAR_AT_RATE: Final = 1.5
"""Multiple of the usual distance from which a raised learning rate has moved the weights too far."""
_NUM_ANOMALIES: Final = 2
"""Anomalous losses in a row that suffice for a rollback if the weights have moved too far: one batch may be bad."""
_NUM_CALM: Final = 2
"""Calm losses in a row that end a row of anomalous ones."""


@dataclass(slots=True)
class _Memory:
    """All that is remembered of the present row; the field names are keys of the state dict."""

    num_anomalies: int = 0
    num_calm: int = 0
    is_usual: bool = False
    """Whether the weights had moved as usual at the first anomalous loss."""
    is_far: bool = False
    """Whether they had moved too far, or a raised learning rate has moved them."""
    progress: int = 0
    """Steps that the present weights have been trained for."""
    changed_at: int = -1
    """The same at the last change of the data; snapshots from before it do not show what is usual now."""


class Movement:
    """Rules on the losses of a series of steps by the distances that the weights have moved."""

    def __init__(self, measure: Callable[[], Travel | None]) -> None:
        """Start without an open row.

        Args:
            measure: returns how far the weights have moved, None if nothing shows how far they usually move.
        """
        self._measure = measure
        self._onset = Onset()
        self._memory = _Memory()

    def rule(self, verdict: Verdict, progress: int) -> Ruling:
        """Return CLEARED if the data have changed and not the weights, CONVICTED if the weights are damaged, else OPEN.

        Args:
            verdict: the detector's, on a finite loss.
            progress: steps that the present weights have been trained for.
        """
        memory = self._memory
        memory.progress = progress
        if not verdict.is_anomalous:
            return self._rule_on_calm(verdict)
        is_first = memory.num_anomalies == 0
        memory.num_anomalies += 1
        memory.num_calm = 0
        if not memory.is_far:
            travel = self._trusted_travel()
            is_raised = travel is not None and _is_raised(travel)
            memory.is_far = is_raised or (is_first and travel is not None and _is_far(travel))
            is_usual = travel is not None and travel.largest <= _USUAL
            memory.is_usual = (is_usual if is_first else memory.is_usual) and not is_raised
        if memory.is_far and memory.num_anomalies >= _NUM_ANOMALIES:
            return Ruling.CONVICTED
        return Ruling.CLEARED if memory.is_usual and verdict.needs_rollback else Ruling.OPEN

    def note_cleared(self) -> None:
        """Note that the data have changed: steps on them may move the weights farther than those before."""
        self._end_row()
        self._memory.changed_at = self._memory.progress
        self._onset.restart()

    def note_rollback(self, progress: int) -> None:
        """Note that the weights are again those that had been trained for `progress` steps."""
        self._end_row()
        self._memory.changed_at = min(self._memory.changed_at, progress)
        self._onset.confirm()

    def note_shift(self) -> None:
        """Note that the losses change on purpose."""
        self.note_cleared()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that is remembered, in plain types."""
        return {**asdict(self._memory), "onset": self._onset.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError, TypeError: an entry of `state` is missing or unknown.
        """
        memory = dict(state)
        onset = memory.pop("onset")
        self._memory = _Memory(**memory)
        self._onset.load_state_dict(onset)

    def _rule_on_calm(self, verdict: Verdict) -> Ruling:
        """Look for a rise that is too small for the detector."""
        self._memory.num_calm += 1
        if self._memory.num_calm >= _NUM_CALM:
            self._end_row()
        if self._onset.note(verdict.statistic):
            travel = self._trusted_travel()
            if travel is not None and (_is_far(travel) or _is_raised(travel)):
                return Ruling.CONVICTED
        return Ruling.OPEN

    def _trusted_travel(self) -> Travel | None:
        travel = self._measure()
        return None if travel is None or travel.since < self._memory.changed_at else travel

    def _end_row(self) -> None:
        memory = self._memory
        self._memory = _Memory(progress=memory.progress, changed_at=memory.changed_at)


def _is_far(travel: Travel) -> bool:
    return travel.whole >= _FAR or travel.largest >= _FAR_ALONE


def _is_raised(travel: Travel) -> bool:
    return travel.rate >= _RAISED and travel.whole >= _FAR_AT_RATE
