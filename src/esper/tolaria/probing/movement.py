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
from esper.tolaria.probing.loss_scale import LossScale
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
_LEAST_RISE: Final = 0.05
"""Share of the progress that a loss undoes, at least, if the weights are taken for damaged."""
_NUM_ANOMALIES: Final = 2
"""Anomalous losses in a row that suffice for a rollback if the weights have moved too far: one batch may be bad."""
_NUM_CALM: Final = 2
"""Calm losses in a row that end a row of anomalous ones."""
_NUM_FORGOTTEN: Final = 8
"""Calm losses in a row after which earlier rows are of no importance: while damage heals, single losses are calm."""


@dataclass(slots=True)
class _Memory:
    """All that is remembered; the field names are keys of the state dict."""

    num_anomalies: int = 0
    """Anomalous losses of the present row."""
    num_calm: int = 0
    """Calm losses since the last anomalous one."""
    is_usual: bool = True
    """Whether the weights had moved as usual at the first anomalous loss of this row, and of rows shortly before it."""
    is_far: bool = False
    """Whether they had moved too far at the first anomalous loss of this row, or a raised learning rate has moved them."""
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
        self._scale = LossScale()
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
        is_first = memory.num_anomalies == 0 or memory.num_calm >= _NUM_CALM
        if is_first:
            memory.num_anomalies, memory.is_far = 0, False
        memory.num_anomalies += 1
        memory.num_calm = 0
        if not memory.is_far:
            travel = self._trusted_travel()
            is_raised = travel is not None and _is_raised(travel)
            memory.is_far = is_raised or (is_first and travel is not None and _is_far(travel))
            if is_first or is_raised:
                memory.is_usual &= _is_usual(travel) and not is_raised
        is_row = memory.num_anomalies >= _NUM_ANOMALIES
        if memory.is_far and is_row and self._matters(verdict.loss):
            return Ruling.CONVICTED
        return Ruling.CLEARED if memory.is_usual and verdict.needs_rollback else Ruling.OPEN

    def note_cleared(self) -> None:
        """Note that the data have changed: steps on them may move the weights farther than those before."""
        self._forget_rows()
        self._memory.changed_at = self._memory.progress
        self._onset.restart()
        self._scale.restart_noise()

    def note_rollback(self, progress: int) -> None:
        """Note that the weights are again those that had been trained for `progress` steps."""
        self._forget_rows()
        self._memory.changed_at = min(self._memory.changed_at, progress)
        self._onset.confirm()

    def note_shift(self) -> None:
        """Note that the losses change on purpose."""
        self.note_cleared()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that is remembered, in plain types."""
        return {
            **asdict(self._memory),
            "onset": self._onset.state_dict(),
            "scale": self._scale.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError, TypeError: an entry of `state` is missing or unknown.
        """
        memory = dict(state)
        onset, scale = memory.pop("onset"), memory.pop("scale")
        self._memory = _Memory(**memory)
        self._onset.load_state_dict(onset)
        self._scale.load_state_dict(scale)

    def _rule_on_calm(self, verdict: Verdict) -> Ruling:
        """Look for a rise that is too small for the detector."""
        self._memory.num_calm += 1
        if self._memory.num_calm >= _NUM_FORGOTTEN:
            self._forget_rows()
        if self._onset.note(verdict.statistic):
            travel = self._trusted_travel()
            self._memory.is_usual &= _is_usual(travel)
            is_far = travel is not None and (_is_far(travel) or _is_raised(travel))
            if is_far and self._matters(verdict.loss):
                return Ruling.CONVICTED
        self._scale.note(verdict.loss)
        return Ruling.OPEN

    def _matters(self, loss: float) -> bool:
        """Return whether a loss undoes a part of the progress that matters; a long training may hurt and heal itself."""
        usual = self._scale.usual
        return usual is not None and loss - usual >= _LEAST_RISE * self._scale.progress

    def _trusted_travel(self) -> Travel | None:
        travel = self._measure()
        return None if travel is None or travel.since < self._memory.changed_at else travel

    def _forget_rows(self) -> None:
        memory = self._memory
        self._memory = _Memory(progress=memory.progress, changed_at=memory.changed_at)


def _is_usual(travel: Travel | None) -> bool:
    return travel is not None and travel.largest <= _USUAL


def _is_far(travel: Travel) -> bool:
    return travel.whole >= _FAR or travel.largest >= _FAR_ALONE


def _is_raised(travel: Travel) -> bool:
    return travel.rate >= _RAISED and travel.whole >= _FAR_AT_RATE
