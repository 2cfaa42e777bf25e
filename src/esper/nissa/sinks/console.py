"""Prints one line for each event about a seed, the host, the governor or rejected telemetry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from rich.console import Console
from rich.text import Text

from esper._generated.channel import Payload
from esper._generated.enums import ClearedBy
from esper._generated.envelope import Envelope
from esper._generated.governor import (
    GovernorClearedPayload,
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRecoveredPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorSnapshotPayload,
    GovernorStepSkippedPayload,
    GovernorStoppedPayload,
    GovernorWatchedPayload,
)
from esper._generated.lifecycle import (
    SeedFossilizedPayload,
    SeedGateEvaluatedPayload,
    SeedGerminatedPayload,
    SeedPrunedPayload,
    SeedStageChangedPayload,
)
from esper._generated.records import ProbeEvidence
from esper._generated.run import HostRejuvenatedPayload
from esper._generated.telemetry import TelemetryRejectedPayload
from esper.leyline.evidence import describe_evidence, describe_rejuvenation
from esper.leyline.text import printable

_Message = tuple[str, str, str]
"""Name of the slot or the part of Esper that the event is about; the text; the style of the line."""

_CLEARED_BY = {
    ClearedBy.COMPARISON: "the snapshot does not do better",
    ClearedBy.RETURN: "a rollback has changed nothing",
    ClearedBy.GRADIENTS: "the gradients have not grown",
    ClearedBy.TRAVEL: "the weights have moved as usual",
}

_ROUTINE = "dim"
_PROGRESS = ""
_SUCCESS = "green"
_WARNING = "yellow"
_ALARM = "bold red"


@final
class ConsoleSink:
    """Prints a line for each event about a seed, the host, the governor or rejected telemetry, and ignores the others.

    The hub calls it in a thread of its own, so lines may appear a moment after the event. Where the console is not a
    terminal, the text is plain.
    """

    def __init__(self, console: Console) -> None:
        """Print to `console`; a progress bar may be drawn on the same one."""
        self._console = console

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Print the event if it is one of those that are shown."""
        describe = _DESCRIPTIONS.get(type(payload))
        if describe is None:
            return
        subject, text, style = describe(payload)
        epoch = "" if envelope.epoch is None else f"epoch {envelope.epoch}"
        line = f"{epoch:<10} {printable(subject):<10} {printable(text)}"
        self._console.print(Text(line, style), highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Do nothing; the console stays open for its other users."""


def _germinated(seed: SeedGerminatedPayload) -> _Message:
    return seed.slot_id, f"germinated {seed.blueprint_id}, {seed.params:,} parameters", _PROGRESS


def _stage_changed(change: SeedStageChangedPayload) -> _Message:
    stages = f"{change.from_stage.name} -> {change.to_stage.name}"
    alpha = "" if change.alpha is None else f", alpha {change.alpha:.2f}"
    return change.slot_id, f"{stages}{alpha}, {change.accuracy_delta:+.2f} pp", _PROGRESS


def _gate_evaluated(gate: SeedGateEvaluatedPayload) -> _Message:
    verdict = "passed" if gate.passed else "not passed"
    return gate.slot_id, f"gate {gate.gate.name} {verdict}: {gate.message}", _ROUTINE


def _fossilized(seed: SeedFossilizedPayload) -> _Message:
    size = f"{seed.params_added:,} parameters"
    gain = f"{size}, {seed.improvement:+.2f} pp"
    if seed.evidence is not None:
        gain = describe_evidence(seed.evidence)
    text = f"fossilized {seed.blueprint_id}, {gain}"
    return seed.slot_id, text, _SUCCESS


def _pruned(seed: SeedPrunedPayload) -> _Message:
    text = f"pruned {seed.blueprint_id} ({seed.reason}, by {seed.initiator})"
    if seed.evidence is not None:
        text += f", {describe_evidence(seed.evidence)}"
    return seed.slot_id, text, _WARNING


def _rejuvenated(event: HostRejuvenatedPayload) -> _Message:
    return "host", f"rejuvenation {describe_rejuvenation(event)}", _PROGRESS


def _snapshot(snapshot: GovernorSnapshotPayload) -> _Message:
    size = f"{snapshot.num_keys} tensors, {snapshot.num_bytes:,} bytes"
    return "governor", f"snapshot {snapshot.snapshot_id} of step {snapshot.step}: {size}", _ROUTINE


def _snapshot_failed(failure: GovernorSnapshotFailedPayload) -> _Message:
    return "governor", f"snapshot {failure.snapshot_id} failed: {failure.message}", _ALARM


def _panic(panic: GovernorPanicPayload) -> _Message:
    threshold = "" if panic.loss_threshold is None else f", threshold {panic.loss_threshold:.4g}"
    count = f"panic {panic.consecutive_panics} in a row"
    return "governor", f"{count}, {panic.reason.name}: loss {panic.loss:.4g}{threshold}", _WARNING


def _cleared(cleared: GovernorClearedPayload) -> _Message:
    # The members of an open enum may be those of a later version, in events that are read from a log.
    why = _CLEARED_BY.get(cleared.by, cleared.by.name)
    suspicion = f"cleared of {cleared.reason.name} at step {cleared.step}"
    return "governor", f"{suspicion}: {why}{_compared(cleared.evidence)}", _ROUTINE


def _watched(watched: GovernorWatchedPayload) -> _Message:
    reason = "an overflow" if watched.reason is None else watched.reason.name
    text = f"watches only; at step {watched.step} it would have acted: {watched.severity.name} for {reason}"
    return (
        "governor",
        f"{text}, loss {watched.loss:.4g}{_compared(watched.evidence)}",
        _WARNING,
    )


def _compared(evidence: ProbeEvidence | None) -> str:
    if evidence is None:
        return ""
    now, before = f"{evidence.present_loss:.4g}", f"{evidence.snapshot_loss:.4g}"
    return f" (on the same batches {now} now, {before} with snapshot {evidence.snapshot_id})"


def _step_skipped(skip: GovernorStepSkippedPayload) -> _Message:
    return (
        "governor",
        f"step {skip.step} skipped, {skip.cause.name}: loss {skip.loss:.4g}",
        _WARNING,
    )


def _rollback(rollback: GovernorRollbackPayload) -> _Message:
    where = f"snapshot {rollback.snapshot_id} of step {rollback.to_step}"
    pruned = f", pruned {', '.join(rollback.pruned_slots)}" if rollback.pruned_slots else ""
    return "governor", f"rolled back to {where}, {rollback.reason.name}{pruned}", _ALARM


def _escalated(escalation: GovernorEscalatedPayload) -> _Message:
    actions = ", ".join(action.name for action in escalation.actions)
    return "governor", f"rollback {escalation.attempt} of {escalation.budget}: {actions}", _ALARM


def _recovered(recovery: GovernorRecoveredPayload) -> _Message:
    return "governor", f"recovered at step {recovery.step}", _SUCCESS


def _stopped(stop: GovernorStoppedPayload) -> _Message:
    return "governor", f"stopped the run: {stop.message}", _ALARM


def _rejected(rejected: TelemetryRejectedPayload) -> _Message:
    field = f".{rejected.field}" if rejected.field else ""
    return (
        "telemetry",
        f"rejected {rejected.event}{field}: {rejected.rule}, got {rejected.got}",
        _WARNING,
    )


_DESCRIPTIONS: dict[type[Payload], Callable[[Any], _Message]] = {
    SeedGerminatedPayload: _germinated,
    SeedStageChangedPayload: _stage_changed,
    SeedGateEvaluatedPayload: _gate_evaluated,
    SeedFossilizedPayload: _fossilized,
    SeedPrunedPayload: _pruned,
    HostRejuvenatedPayload: _rejuvenated,
    GovernorSnapshotPayload: _snapshot,
    GovernorSnapshotFailedPayload: _snapshot_failed,
    GovernorPanicPayload: _panic,
    GovernorClearedPayload: _cleared,
    GovernorWatchedPayload: _watched,
    GovernorStepSkippedPayload: _step_skipped,
    GovernorRollbackPayload: _rollback,
    GovernorEscalatedPayload: _escalated,
    GovernorRecoveredPayload: _recovered,
    GovernorStoppedPayload: _stopped,
    TelemetryRejectedPayload: _rejected,
}
