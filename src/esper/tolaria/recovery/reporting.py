"""Emits the governor's telemetry, and warns instead where nobody listens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from esper._generated.channel import Channel
from esper._generated.enums import (
    ClearedBy,
    LossSeries,
    PanicReason,
    Severity,
    SkipCause,
    SnapshotFault,
)
from esper._generated.governor import (
    emit_governor_cleared,
    emit_governor_escalated,
    emit_governor_panic,
    emit_governor_recovered,
    emit_governor_rollback,
    emit_governor_snapshot,
    emit_governor_snapshot_failed,
    emit_governor_step_skipped,
    emit_governor_stopped,
    emit_governor_watched,
)
from esper._generated.records import GovernorReport, SnapshotInfo, StopReport
from esper.leyline.channel import ChannelAttribute
from esper.leyline.text import shorten
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.recovery.escalation import Measures
from esper.tolaria.recovery.log_warnings import (
    warn_of_rollback,
    warn_of_skip,
    warn_of_stop,
    warn_of_watched,
)
from esper.tolaria.recovery.rollback import RollbackResult

MAX_MESSAGE: Final = 1024
"""Characters that the telemetry contract allows a message."""


class Reports:
    """Reports what the governor sees and does.

    Attributes:
        channel: where telemetry is emitted; may be replaced at any time.
    """

    channel = ChannelAttribute()

    def __init__(self, channel: Channel) -> None:
        """Emit on `channel`."""
        self.channel = channel

    def snapshot(self, info: SnapshotInfo) -> None:
        """Report a snapshot that was taken."""
        emit_governor_snapshot(self.channel, info)

    def snapshot_fault(
        self, fault: SnapshotFault, snapshot_id: int, step: int, message: str
    ) -> None:
        """Report a snapshot that could not be taken or restored."""
        emit_governor_snapshot_failed(
            self.channel,
            fault=fault,
            snapshot_id=snapshot_id,
            step=step,
            message=shorten(message, MAX_MESSAGE),
        )

    def panic(self, verdict: Verdict, series: LossSeries) -> None:
        """Report an anomalous check."""
        assert verdict.reason is not None
        emit_governor_panic(
            self.channel, verdict, series=series, reason=verdict.reason, evidence=verdict.evidence
        )

    def cleared(
        self,
        verdict: Verdict,
        series: LossSeries,
        *,
        step: int,
        reason: PanicReason,
        by: ClearedBy,
    ) -> None:
        """Report that the suspicion `reason` was unfounded; `verdict` is on the last loss."""
        if verdict.is_anomalous:
            self.panic(replace(verdict, severity=Severity.PANIC), series)
        emit_governor_cleared(
            self.channel,
            series=series,
            reason=reason,
            by=by,
            step=step,
            loss=verdict.loss,
            evidence=verdict.evidence,
        )

    def watched(self, verdict: Verdict, *, step: int) -> None:
        """Report what a governor that only watches would have done."""
        if not self.channel.listening:
            warn_of_watched(verdict, step=step)
        emit_governor_watched(
            self.channel,
            severity=verdict.severity,
            reason=verdict.reason,
            step=step,
            loss=verdict.loss,
            evidence=verdict.evidence,
        )

    def skip(
        self,
        verdict: Verdict,
        *,
        cause: SkipCause,
        step: int,
        grad_norm: float | None,
        skips_in_a_row: int,
    ) -> None:
        """Report that a step was refused."""
        if skips_in_a_row == 1 and not self.channel.listening:
            warn_of_skip(cause, step=step, loss=verdict.loss)
        emit_governor_step_skipped(
            self.channel,
            cause=cause,
            step=step,
            loss=verdict.loss,
            grad_norm=grad_norm,
            skips_in_a_row=skips_in_a_row,
        )

    def rollback(self, report: GovernorReport, measures: Measures) -> None:
        """Report a rollback, and its measures if it is not the first of its window."""
        if report.reason is not PanicReason.ORDERED and not self.channel.listening:
            warn_of_rollback(report)
        emit_governor_rollback(self.channel, report, evidence=report.evidence)
        if measures.attempt > 1:
            emit_governor_escalated(self.channel, measures)

    def recovered(self, step: int, attempts: int) -> None:
        """Report that a window has passed without a rollback, after `attempts` of them."""
        emit_governor_recovered(self.channel, step=step, attempts=attempts)

    def stopped(self, report: StopReport) -> None:
        """Report the end of the run."""
        if not self.channel.listening:
            warn_of_stop(report)
        emit_governor_stopped(self.channel, report)


def rollback_report(
    reason: PanicReason,
    alarm: Verdict | None,
    info: SnapshotInfo,
    result: RollbackResult,
    measures: Measures,
    *,
    from_step: int,
    corrupt: Sequence[int],
    duration_s: float,
) -> GovernorReport:
    """Return the report of a rollback to the snapshot `info`.

    Args:
        reason: the anomaly that led to it.
        alarm: the verdict that led to it; None if the caller has ordered it.
        info: describes the restored snapshot.
        result: the slots that it changed.
        measures: those that accompany it.
        from_step: the step at which it was decided.
        corrupt: numbers of the snapshots that were corrupt.
        duration_s: how long it took.
    """
    return GovernorReport(
        reason=reason,
        loss_at_panic=None if alarm is None else alarm.loss,
        loss_threshold=None if alarm is None else alarm.loss_threshold,
        consecutive_panics=0 if alarm is None else alarm.consecutive_panics,
        attempt=measures.attempt,
        actions=measures.actions,
        snapshot_id=info.snapshot_id,
        from_step=from_step,
        to_step=info.step,
        num_keys=info.num_keys,
        pruned_slots=result.pruned_slots,
        kept_fossils=result.kept_fossils,
        removed_fossils=result.removed_fossils,
        evidence=None if alarm is None else alarm.evidence,
        corrupt_snapshots=tuple(corrupt),
        duration_s=duration_s,
    )
