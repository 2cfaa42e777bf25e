"""Judges a training step before the optimizer takes it: by its loss, its gradient norm and the steps before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from esper._generated.enums import PanicReason, Severity, SkipCause
from esper.tolaria.detection.detector import Detector
from esper.tolaria.detection.gradient_norms import GradientNorms
from esper.tolaria.detection.verdict import Verdict


@dataclass(slots=True)
class _Memory:
    """All that the judge itself remembers between steps; the field names are keys of its state dict."""

    skips_in_a_row: int = 0
    num_refused: int = 0
    """Steps in a row that were skipped for their gradient or data; planned skips and overflows do not count."""
    has_just_rolled_back: bool = False
    """Whether no step has been taken since the last rollback."""


class StepJudge:
    """Turns the loss and the gradient norm of a step into a verdict.

    It adds two rules to those of its detector. A step whose gradient is not finite is skipped: nothing is damaged yet.
    A step whose loss is anomalous although the weights have just been restored is skipped too: the batch must be bad, and
    another rollback would change nothing. After `max_skips` such skips in a row the verdict is a rollback.

    Attributes:
        detector: judges the losses.
        grad_norm: gradient norm of the last step; None if the loop did not give it.
        cause: why the last step is skipped; None if it is not skipped.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        max_skips: int,
        may_have_overflowed: Callable[[], bool],
        judges_norms: bool = False,
    ) -> None:
        """Judge losses with `detector`.

        Args:
            detector: judges the losses.
            max_skips: steps that may be skipped in a row for their gradient or data, at least 0.
            may_have_overflowed: returns whether the loss scale of a GradScaler explains a gradient that is not finite.
            judges_norms: whether a finite gradient norm that is far above the usual ones is an anomaly too.
        """
        self.detector = detector
        self.grad_norm: float | None = None
        self.cause: SkipCause | None = None
        self._max_skips = max_skips
        self._may_have_overflowed = may_have_overflowed
        self._memory = _Memory()
        self._norms = GradientNorms() if judges_norms else None

    @property
    def skips_in_a_row(self) -> int:
        """Steps skipped in a row, whatever the cause."""
        return self._memory.skips_in_a_row

    @property
    def num_refused(self) -> int:
        """Steps in a row that were skipped for their gradient or data."""
        return self._memory.num_refused

    def have_gradients_grown(self) -> bool | None:
        """Return whether gradients are larger than they were; None if that is not known."""
        return None if self._norms is None else self._norms.have_grown()

    @property
    def are_norms_constant(self) -> bool:
        """Whether the loop gives gradient norms, and they never vary."""
        return self._norms is not None and self._norms.are_constant

    def judge(self, loss: float, grad_norm: float | None, *, is_planned_skip: bool) -> Verdict:
        """Return the verdict on a step; with `is_planned_skip` it is SKIP, and the detector does not see the loss."""
        self.grad_norm = grad_norm
        if is_planned_skip:
            return self._skip(Verdict(severity=Severity.SKIP, loss=loss), SkipCause.PLANNED)
        verdict = self.detector.check(loss)
        if verdict.is_anomalous and self._memory.has_just_rolled_back:
            return self._refuse(verdict, SkipCause.DATA)
        has_broken_gradient = grad_norm is not None and not math.isfinite(grad_norm)
        if has_broken_gradient and not verdict.needs_rollback:
            return self._judge_broken_gradient(verdict)
        self.cause = None
        self._memory.skips_in_a_row = self._memory.num_refused = 0
        if grad_norm is not None and self._norms is not None:
            is_spike = self._norms.is_spike(grad_norm)
            if is_spike and not verdict.is_anomalous:
                return replace(
                    verdict,
                    severity=Severity.PANIC,
                    reason=PanicReason.GRADIENT,
                    consecutive_panics=1,
                )
        return verdict

    def expect_shift(self) -> None:
        """Announce to the detector, and to the record of norms, that losses and gradients will change on purpose."""
        self.detector.expect_shift()
        if self._norms is not None:
            self._norms.expect_shift()

    def overrule(self) -> None:
        """Note that the last step is not skipped after all."""
        self.cause = None
        self._memory = _Memory()

    def note_step(self) -> None:
        """Note that the optimizer has taken the step."""
        self._memory.has_just_rolled_back = False

    def note_rollback(self, state: Mapping[str, Any] | None) -> None:
        """Note that the weights were restored; `state` is the detector's state dict of that time, None if unknown."""
        self.detector.rewind(state)
        self._memory.num_refused = 0
        self._memory.has_just_rolled_back = True

    def state_dict(self) -> dict[str, Any]:
        """Return the memory of judge and detector in plain types."""
        norms = {} if self._norms is None else {"norms": self._norms.state_dict()}
        return {"detector": self.detector.state_dict(), **norms, **asdict(self._memory)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError: an entry of the detector's state is missing.
            TypeError: an entry of the judge's state is missing or unknown.
        """
        memory = dict(state)
        self.detector.load_state_dict(memory.pop("detector"))
        norms = memory.pop("norms", None)
        if norms is not None and self._norms is not None:
            self._norms.load_state_dict(norms)
        self._memory = _Memory(**memory)

    def _judge_broken_gradient(self, verdict: Verdict) -> Verdict:
        """Return the verdict on a step whose gradient is not finite; `verdict` is that on its loss."""
        if verdict.is_anomalous:
            return self._refuse(verdict, SkipCause.GRADIENT)
        if self._may_have_overflowed():
            return self._skip(replace(verdict, severity=Severity.SKIP), SkipCause.OVERFLOW)
        panics = self._memory.num_refused + 1
        verdict = replace(verdict, reason=PanicReason.GRADIENT, consecutive_panics=panics)
        return self._refuse(verdict, SkipCause.GRADIENT)

    def _refuse(self, verdict: Verdict, cause: SkipCause) -> Verdict:
        """Skip the step, or roll back if too many in a row have been refused."""
        if self._memory.num_refused >= self._max_skips:
            self.cause = None
            return replace(verdict, severity=Severity.ROLLBACK)
        self._memory.num_refused += 1
        return self._skip(replace(verdict, severity=Severity.SKIP), cause)

    def _skip(self, verdict: Verdict, cause: SkipCause) -> Verdict:
        self.cause = cause
        self._memory.skips_in_a_row += 1
        return verdict
