"""Judges steps before they are taken: the loss, the gradient's norm, and what happened just before."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from esper._generated.enums import PanicReason, Severity, SkipCause
from esper.tolaria.detection.detector import Detector
from esper.tolaria.detection.verdict import Verdict


class StepJudge:
    """Turns what is known of a step into a verdict.

    To what its detector says it adds two things. A gradient that is not finite has damaged nothing yet, so the step is
    skipped. And when the loss is anomalous though the weights have just been put back, the data is to blame: going
    back again would change nothing, so that step is skipped as well. Both only so often in a row.

    Attributes:
        detector: judges the losses.
        grad_norm: norm of the last step's gradient; None when it was not given.
        cause: why that step is skipped; None if it is not.
        skips_in_a_row: steps skipped in a row.
    """

    def __init__(
        self, detector: Detector, *, max_skips: int, is_overflow: Callable[[], bool]
    ) -> None:
        """Judge with `detector`; `is_overflow` says whether a scaler explains a gradient that is not finite."""
        self.detector = detector
        self.grad_norm: float | None = None
        self.cause: SkipCause | None = None
        self.skips_in_a_row = 0
        self._max_skips = max_skips
        self._is_overflow = is_overflow
        self._num_refused = 0
        self._has_just_rolled_back = False

    def judge(self, loss: float, grad_norm: float | None, *, is_passed_over: bool) -> Verdict:
        """Return the verdict on a step; one that `is_passed_over` is skipped unseen."""
        self.grad_norm = grad_norm
        if is_passed_over:
            return self._skip(Verdict(severity=Severity.SKIP, loss=loss), SkipCause.PLANNED)
        verdict = self.detector.check(loss)
        is_anomalous = verdict.reason is not None
        if is_anomalous and self._has_just_rolled_back:
            return self._refuse(verdict, SkipCause.DATA)
        has_broken_gradient = grad_norm is not None and not math.isfinite(grad_norm)
        if has_broken_gradient and not verdict:
            if not is_anomalous and self._is_overflow():
                return self._skip(replace(verdict, severity=Severity.SKIP), SkipCause.OVERFLOW)
            if not is_anomalous:
                verdict = replace(
                    verdict,
                    reason=PanicReason.GRADIENT,
                    consecutive_panics=self._num_refused + 1,
                )
            return self._refuse(verdict, SkipCause.GRADIENT)
        self.cause = None
        self.skips_in_a_row = self._num_refused = 0
        return verdict

    def note_step(self) -> None:
        """Note that the step has been taken."""
        self._has_just_rolled_back = False

    def note_rollback(self, state: Mapping[str, Any] | None) -> None:
        """Note that the weights went back to when the detector's state was `state`."""
        self.detector.rewind(state)
        self._num_refused = 0
        self._has_just_rolled_back = True

    def state_dict(self) -> dict[str, Any]:
        """Return everything remembered, in plain types."""
        return {
            "detector": self.detector.state_dict(),
            "skips_in_a_row": self.skips_in_a_row,
            "num_refused": self._num_refused,
            "has_just_rolled_back": self._has_just_rolled_back,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what `state_dict` returned."""
        self.detector.load_state_dict(state["detector"])
        self.skips_in_a_row = state["skips_in_a_row"]
        self._num_refused = state["num_refused"]
        self._has_just_rolled_back = state["has_just_rolled_back"]

    def _refuse(self, verdict: Verdict, cause: SkipCause) -> Verdict:
        """Skip the step, or go back (further) if that has been done too often."""
        if self._num_refused >= self._max_skips:
            self.cause = None
            return replace(verdict, severity=Severity.ROLLBACK)
        self._num_refused += 1
        return self._skip(replace(verdict, severity=Severity.SKIP), cause)

    def _skip(self, verdict: Verdict, cause: SkipCause) -> Verdict:
        self.cause = cause
        self.skips_in_a_row += 1
        return verdict
