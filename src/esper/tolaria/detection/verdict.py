"""What a detector, and then the governor, makes of one loss."""

from dataclasses import dataclass
from typing import Final

from esper._generated.enums import PanicReason, Severity

_STEPPING: Final = (Severity.OK, Severity.PANIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judgement with its evidence; true exactly when a rollback or the end of the run is due."""

    severity: Severity
    """Larger is worse, so that ranks can agree on the maximum."""
    reason: PanicReason | None = None
    """What was seen; None when nothing was, or when a batch is skipped by plan."""
    loss: float
    """The loss that was judged; any float."""
    loss_threshold: float | None = None
    """The loss above which the detector panics; None while it has too little history."""
    consecutive_panics: int = 0
    """Anomalous checks in a row, this one included."""
    statistic: float | None = None
    """Deviations of the loss above its usual value, in the detector's own scale; None without a history."""

    def __bool__(self) -> bool:
        """Return whether the run cannot go on as it is."""
        return self.severity >= Severity.ROLLBACK

    @property
    def may_step(self) -> bool:
        """Whether the optimizer may take its step."""
        return self.severity in _STEPPING

    @property
    def must_stop(self) -> bool:
        """Whether the run is over and the training loop must end."""
        return self.severity is Severity.STOP

    @property
    def is_anomalous(self) -> bool:
        """Whether something was seen, whatever is to be done about it."""
        return self.reason is not None


def weights_verdict(loss: float) -> Verdict:
    """Return the verdict on weights that are not finite; `loss` is the last that was seen."""
    return Verdict(
        severity=Severity.ROLLBACK, reason=PanicReason.WEIGHTS, loss=loss, consecutive_panics=1
    )


def final_verdict(reason: PanicReason, loss: float) -> Verdict:
    """Return the verdict on every loss that comes after the run has been ended for `reason`."""
    return Verdict(severity=Severity.STOP, reason=reason, loss=loss)
