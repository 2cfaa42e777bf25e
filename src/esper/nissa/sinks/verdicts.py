"""A sink that keeps the worst verdict of the governor, for the report on an epoch."""

from typing import final

from esper._generated.channel import Payload
from esper._generated.enums import Severity
from esper._generated.envelope import Envelope
from esper._generated.governor import (
    GovernorPanicPayload,
    GovernorSnapshotPayload,
    GovernorStepSkippedPayload,
    GovernorStoppedPayload,
)
from esper.nissa.sink import SynchronousSink


@final
class VerdictSink(SynchronousSink):
    """Keeps the worst severity that the governor has reported since it was last asked for.

    Attributes:
        is_stopped: whether the governor has stopped the run.
    """

    def __init__(self) -> None:
        """Start without a governor."""
        self.is_stopped = False
        self._has_governor = False
        self._worst = Severity.OK

    def take_worst(self) -> Severity | None:
        """Return the worst severity since the last call; None as long as no governor has reported anything."""
        worst, self._worst = self._worst, Severity.OK
        return worst if self._has_governor else None

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Note the severity of an event of the governor."""
        match payload:
            case GovernorSnapshotPayload():
                self._note(Severity.OK)
            case GovernorPanicPayload():
                self._note(payload.severity)
            case GovernorStepSkippedPayload():
                self._note(Severity.SKIP)
            case GovernorStoppedPayload():
                self.is_stopped = True
                self._note(Severity.STOP)

    def close(self) -> None:
        """Do nothing; there is nothing to release."""

    def _note(self, severity: Severity) -> None:
        self._has_governor = True
        self._worst = max(self._worst, severity)
