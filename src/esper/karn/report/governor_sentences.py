"""Says in sentences what the governor did: suspicions, rollbacks, escalations, snapshots that failed; and the rejuvenations.

Text from the log is made printable here. A value that the log lacks is said to be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose, isinf, isnan
from typing import Any, Final

from esper._generated.enums import EscalationAction, PanicReason
from esper._generated.records import ProbeEvidence
from esper._generated.run import HostRejuvenatedPayload
from esper.karn.charts.rows import NOT_IN_LOG
from esper.karn.report.sentences import show, show_name, show_text
from esper.karn.story import Event, RunStory
from esper.leyline.text import join_names, pluralize, printable

MAX_EVENTS: Final = 40
"""Actions of the governor that are told one by one; of more, the first and the last."""
_MAX_NAMES = 12
_CAUSES: Final = {
    PanicReason.NAN: "The loss was NaN or infinite",
    PanicReason.LOBOTOMY: "The loss jumped to that of random guessing",
    PanicReason.DIVERGENCE: "The loss rose far above its recent values",
    PanicReason.DRIFT: "The loss had slowly risen far above its best value",
    PanicReason.GRADIENT: "The norm of the gradient was NaN or infinite",
    PanicReason.WEIGHTS: "A weight, a buffer or a value in the optimizer's state was NaN or infinite",
    PanicReason.ORDERED: "The program asked for it",
}


def describe_governor(story: RunStory) -> list[tuple[str, str, str]]:
    """Return the governor's actions in their order: place, kind and a sentence each; of more than 40, the first and last."""
    events: list[tuple[int, str, str, str]] = []
    governor = story.governor
    tellers: Sequence[tuple[Sequence[Any], str, Any]] = (
        (governor.cleared, "suspicion cleared", describe_cleared),
        (governor.rollbacks, "rollback", describe_rollback),
        (governor.escalations, "escalation", describe_escalation),
        (governor.recoveries, "recovery", describe_recovery),
        (governor.watched, "watched only", _describe_watched),
        (governor.failed_snapshots, "snapshot failed", _describe_failed_snapshot),
        ((governor.stopped,) if governor.stopped else (), "stop", _describe_stop),
    )
    for group, kind, tell in tellers:
        for event in group:
            events.append((event.t_wall_ns, _place(story, event), kind, tell(event.payload)))
    for event in story.rejuvenations:
        text = _describe_rejuvenation(event.payload)
        events.append((event.t_wall_ns, _place(story, event), "rejuvenation", text))
    events.sort(key=lambda one: one[0])
    told = [(place, kind, text) for _, place, kind, text in events]
    if len(told) <= MAX_EVENTS:
        return told
    half = MAX_EVENTS // 2
    middle = ("", "", f"... {pluralize(len(told) - MAX_EVENTS, 'more event')} ...")
    return [*told[:half], middle, *told[-half:]]


def _place(story: RunStory, event: Event[Any]) -> str:
    """Return the epoch of an event; nothing if the training loop counts none, as the sentence names the step."""
    if not story.has_epochs:
        return ""
    return NOT_IN_LOG if event.epoch is None else f"epoch {event.epoch}"


def _describe_probe(evidence: ProbeEvidence | None) -> str:
    if evidence is None:
        return ""
    values: Any = evidence
    present, snapshot, difference = (
        values.present_loss,
        values.snapshot_loss,
        values.difference,
    )
    losses = (
        f" On the same batches the present weights had a loss of {show(present, '.3g')}, those of snapshot"
        f" {show(values.snapshot_id, 'd')} {show(snapshot, '.3g')}"
    )
    # Large differences of single samples are cut off, so the mean difference is not that of the mean losses.
    is_cut = None not in (present, snapshot, difference) and not isclose(
        difference, present - snapshot, rel_tol=0.05, abs_tol=1e-9
    )
    cut = ", with large ones of single samples cut off," if is_cut else ""
    return (
        f"{losses}: the mean difference{cut} was {show(difference, '+.2g')} nats,"
        f" 95 % interval {show(values.difference_low, '+.2g')} to {show(values.difference_high, '+.2g')};"
        f" damage is a difference above {show(values.margin, '.2g')}."
    )


def describe_cleared(cleared: Any) -> str:
    """Return a suspicion that was cleared, as a sentence; fields may be missing."""
    text = (
        f"At step {show(cleared.step, ',d')}, with a loss of {show(cleared.loss, '.4g')}, the governor suspected damage"
        f" ({show_name(cleared.reason)});"
    )
    return f"{text} cleared by {show_name(cleared.by)}.{_describe_probe(cleared.evidence)}"


def describe_rollback(rollback: Any) -> str:
    """Return a rollback with its reason, its actions and its evidence; fields may be missing."""
    text = f"{_describe_cause(rollback)}, so the weights went back"
    start, end = rollback.from_step, rollback.to_step
    snapshot = f"snapshot {show(rollback.snapshot_id, 'd')}"
    if start is not None and start == end:
        text += f" to {snapshot}, which was taken after the same step, {start:,}"
    else:
        text += f" from step {show(start, ',d')} to {snapshot} of step {show(end, ',d')}"
    # Going back to the newest snapshot is what every rollback does that says nothing else.
    actions = [
        show_name(action)
        for action in rollback.actions or ()
        if action is not EscalationAction.NEWEST_SNAPSHOT
    ]
    text += f"; actions: {', '.join(actions)}" if actions else ""
    text += f"; actions: {NOT_IN_LOG}" if rollback.actions is None else ""
    named = (
        ("pruned the seeds of", rollback.pruned_slots),
        ("kept the fossils of", rollback.kept_fossils),
        ("removed the fossils of", rollback.removed_fossils),
        ("skipped corrupt snapshots", tuple(map(str, rollback.corrupt_snapshots or ()))),
    )
    for action, names in named:
        if names:
            shown = [printable(name, 48) for name in names]
            text += f"; {action} {join_names(shown, max_names=_MAX_NAMES)}"
    return f"{text}.{_describe_probe(rollback.evidence)}"


def _describe_cause(rollback: Any) -> str:
    """Return why the governor rolled back, with the loss and the threshold, if it exceeded that.

    A comparison can find damage before the detector's threshold is reached.
    """
    reason, loss, threshold = rollback.reason, rollback.loss_at_panic, rollback.loss_threshold
    if reason is None:
        return f"For a reason that is {NOT_IN_LOG}"
    if reason is PanicReason.NAN and loss is not None and (isnan(loss) or isinf(loss)):
        return f"The loss was {'NaN' if isnan(loss) else 'infinite'}"
    # A later minor version of the contract may have added a reason.
    text = _CAUSES.get(reason, f"The governor found {show_name(reason)}")
    if loss is None:
        return text
    has_exceeded = threshold is not None and not loss <= threshold
    limit = f", threshold {threshold:.4g}" if has_exceeded else ""
    return f"{text} (loss {loss:.4g}{limit})"


def describe_escalation(event: Any) -> str:
    """Return an escalation with its actions; fields may be missing."""
    actions = ", ".join(show_name(action) for action in event.actions or ()) or NOT_IN_LOG
    return (
        f"Rollback {show(event.attempt, 'd')} of {show(event.budget, 'd')} that are allowed in a window; further actions: {actions}."
        f" Learning rates times {show(event.learning_rate_factor, 'g')}, {show(event.batches_to_skip, 'd')} batches skipped,"
        f" no new seeds for {show(event.epochs_to_hold, 'd')} epochs."
    )


def describe_recovery(event: Any) -> str:
    """Return the end of an escalation as a sentence; fields may be missing."""
    return (
        f"At step {show(event.step, ',d')}, the escalation ended: a whole window had passed since rollback"
        f" {show(event.attempts, 'd')} of it."
    )


def _describe_watched(event: Any) -> str:
    reason = "an overflow" if event.reason is None else show_name(event.reason)
    return (
        f"At step {show(event.step, ',d')}, the governor would have acted ({show_name(event.severity)}) because of {reason},"
        f" with a loss of {show(event.loss, '.4g')}.{_describe_probe(event.evidence)}"
    )


def _describe_failed_snapshot(event: Any) -> str:
    return f"Snapshot {show(event.snapshot_id, 'd')} at step {show(event.step, ',d')}: {show_name(event.fault)}; {show_text(event.message)}"


def _describe_stop(event: Any) -> str:
    return f"At step {show(event.step, ',d')}, because of {show_name(event.reason)}: {show_text(event.message)}"


def _describe_rejuvenation(event: HostRejuvenatedPayload) -> str:
    values: Any = event
    kept = NOT_IN_LOG if values.is_kept is None else "kept" if values.is_kept else "not kept"
    text = f"The weights were shrunk to {show(values.shrink, 'g')} with {show(values.perturb, 'g')} of fresh ones: {kept}."
    evidence = values.evidence
    if evidence is None:
        return text
    return (
        f"{text} After {show(evidence.num_steps, 'd')} steps, the loss was {show(evidence.loss_with, '.3g')} with it and"
        f" {show(evidence.loss_without, '.3g')} without; tolerance {show(evidence.tolerance, '.2g')} nats."
    )
