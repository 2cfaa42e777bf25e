"""The result of judging one loss: how severe it is, why, and which numbers led to it."""

from dataclasses import dataclass
from typing import Final

from esper._generated.enums import PanicReason, Severity
from esper._generated.records import ProbeEvidence

_STEPPING: Final = (Severity.OK, Severity.PANIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judgement with its evidence; `bool(verdict)` is `needs_rollback`."""

    severity: Severity
    """OK, PANIC, SKIP, ROLLBACK or STOP; larger is worse, so that ranks can agree on the maximum."""
    reason: PanicReason | None = None
    """The anomaly that was found; None if there was no anomaly or if the escalation skips this batch."""
    loss: float
    """The loss that was judged; any float, NaN included. NaN also where a stepper judged nothing."""
    loss_threshold: float | None = None
    """The loss above which the detector panics; None while the detector has too few losses to compute it."""
    consecutive_panics: int = 0
    """Anomalous checks in a row, this one included; 0 if this one is not anomalous."""
    statistic: float | None = None
    """Standard deviations between the loss and its usual value, as the detector estimates them; None while it has
    too few losses."""
    evidence: ProbeEvidence | None = None
    """The comparison of the present weights with a snapshot that confirms or refutes the anomaly; None if there was none."""

    def __bool__(self) -> bool:
        """Return `needs_rollback`, so that a loop can write `if governor.check_vital_signs(loss):`."""
        return self.needs_rollback

    @property
    def needs_rollback(self) -> bool:
        """Whether training cannot go on with the present weights: the severity is ROLLBACK or STOP.

        The governor has already rolled back when it returns such a verdict from `before_step` or `after_step`.
        """
        return self.severity >= Severity.ROLLBACK

    @property
    def must_stop(self) -> bool:
        """Whether the training loop must end: the severity is STOP, as is every later verdict."""
        return self.severity is Severity.STOP

    @property
    def may_step(self) -> bool:
        """Whether the optimizer may take its step."""
        return self.severity in _STEPPING

    @property
    def is_anomalous(self) -> bool:
        """Whether an anomaly was found, however severe."""
        return self.reason is not None


def weights_verdict(loss: float) -> Verdict:
    """Return the verdict on weights that are not finite; `loss` is the last loss that was reported."""
    return Verdict(
        severity=Severity.ROLLBACK, reason=PanicReason.WEIGHTS, loss=loss, consecutive_panics=1
    )


def final_verdict(reason: PanicReason, loss: float) -> Verdict:
    """Return the verdict on every loss that is reported after the run was stopped for `reason`."""
    return Verdict(severity=Severity.STOP, reason=reason, loss=loss)
