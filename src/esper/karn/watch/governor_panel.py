"""The governor's panel: its newest verdict, its counts, and its newest actions."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from esper._generated.enums import Severity
from esper._generated.governor import (
    GovernorClearedPayload,
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRecoveredPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorStepSkippedPayload,
    GovernorStoppedPayload,
    GovernorWatchedPayload,
)
from esper._generated.records import ProbeEvidence
from esper.karn.story import Event, RunStory
from esper.karn.watch.texts import MISSING, show_bytes, show_number
from esper.leyline.text import pluralize, printable

_MAX_ACTIONS = 200
_SEVERITY_STYLES = {
    Severity.OK: "green",
    Severity.SKIP: "yellow",
    Severity.PANIC: "yellow",
    Severity.ROLLBACK: "red",
    Severity.STOP: "red",
}


def draw_governor(story: RunStory) -> list[Text]:
    """Return the lines of the panel: counts, then the newest actions."""
    return draw_counts(story) + _draw_actions(newest_actions(story), has_epochs=story.has_epochs)


def draw_counts(story: RunStory) -> list[Text]:
    """Return the newest verdict, and how often the governor did what."""
    governor, counts = story.governor, story.counts
    verdict = governor.newest_verdict
    name = MISSING if verdict is None else verdict.name
    lines = [
        Text.assemble(
            "verdict ", (name, _SEVERITY_STYLES.get(verdict, "") if verdict is not None else "dim")
        )
    ]
    lines[0].append("  " + _describe_verdicts(story), "dim")
    lines.append(Text(f"{pluralize(story.num_panics, 'alarm')}, {story.num_cleared:,} cleared"))
    lines.append(Text(_describe_rollbacks(story)))
    skipped = counts.get("GOVERNOR_STEP_SKIPPED", 0)
    if skipped:
        lines.append(Text(pluralize(skipped, "skipped step")))
    if watched := counts.get("GOVERNOR_WATCHED", 0):
        lines.append(Text(f"only watches: {watched:,} would be acted on", "yellow"))
    lines.append(Text(_describe_snapshots(story)))
    if num_failed := counts.get("GOVERNOR_SNAPSHOT_FAILED", 0):
        lines.append(Text(pluralize(num_failed, "failed snapshot"), "red"))
    return lines


def newest_actions(story: RunStory) -> list[Event[Any]]:
    """Return alarms, rollbacks and other actions, the newest first; at most 200."""
    governor = story.governor
    actions: list[Event[Any]] = [
        *governor.panics,
        *governor.cleared,
        *governor.watched,
        *governor.rollbacks,
        *governor.escalations,
        *governor.recoveries,
        *governor.failed_snapshots,
        *governor.skipped_steps,
        *filter(None, [governor.stopped]),
    ]
    actions.sort(key=lambda one: (one.t_wall_ns, one.rank, one.seq), reverse=True)
    return actions[:_MAX_ACTIONS]


def draw_action(event: Event[Any], *, has_epochs: bool) -> Text:
    """Return an action in one line: epoch, if the training loop counts them, kind and reason."""
    text, style = _describe(event.payload)
    if not has_epochs:
        return Text(text, style)
    epoch = "    " if event.epoch is None else f"{event.epoch:>4}"
    return Text.assemble((epoch, "dim"), " ", (text, style))


def describe_probe(probe: ProbeEvidence | None) -> str:
    """Return a comparison of the weights with a snapshot in one line."""
    if probe is None:
        return "no comparison"
    low, high = show_number(probe.difference_low), show_number(probe.difference_high)
    return (
        f"loss now {show_number(probe.present_loss)}, with snapshot {show_number(probe.snapshot_id)}"
        f" {show_number(probe.snapshot_loss)}; difference {show_number(probe.difference)} [{low}, {high}],"
        f" damaged above {show_number(probe.margin)}; {show_number(probe.num_batches)} batches"
    )


def _draw_actions(actions: list[Event[Any]], *, has_epochs: bool) -> list[Text]:
    """Return the actions, each in one line; of equal ones in a row the newest with their number."""
    groups: list[tuple[Event[Any], int]] = []
    for event in actions:
        if groups and _is_alike(groups[-1][0], event):
            groups[-1] = groups[-1][0], groups[-1][1] + 1
        else:
            groups.append((event, 1))
    return [
        draw_action(event, has_epochs=has_epochs).append(
            f" ({count:,} times)" if count > 1 else "", "dim"
        )
        for event, count in groups
    ]


def _is_alike(first: Event[Any], second: Event[Any]) -> bool:
    both = first.payload, second.payload
    return all(isinstance(one, GovernorStepSkippedPayload) for one in both) and (
        first.payload.cause is second.payload.cause
    )


def _describe(payload: object) -> tuple[str, str]:
    """Return an action in words, and its style."""
    match payload:
        case GovernorPanicPayload():
            return f"! {_name(payload.reason)}, loss {show_number(payload.loss)}", "yellow"
        case GovernorClearedPayload():
            return f"✓ cleared {_name(payload.reason)}, by {_name(payload.by).lower()}", "green"
        case GovernorWatchedPayload():
            return f"? would {_name(payload.severity)} {_name(payload.reason)}", "yellow"
        case GovernorRollbackPayload():
            target = show_number(payload.to_step)
            return f"R {_name(payload.reason)}, back to step {target}", "bold red"
        case GovernorEscalatedPayload():
            actions = ", ".join(_name(action).lower() for action in payload.actions or ())
            return f"↑ escalated: {actions or MISSING}", "red"
        case GovernorRecoveredPayload():
            return f"✓ recovered at step {show_number(payload.step)}", "green"
        case GovernorSnapshotFailedPayload():
            return f"✖ snapshot failed: {printable(payload.message or MISSING)}", "red"
        case GovernorStepSkippedPayload():
            return f"→ step skipped, {_name(payload.cause).lower()}", "yellow"
        case GovernorStoppedPayload():
            return f"■ stopped: {printable(payload.message or MISSING)}", "bold red"
        case _:
            raise AssertionError(payload)


def _describe_verdicts(story: RunStory) -> str:
    verdicts = story.governor.verdicts
    return ", ".join(f"{count:,} {printable(name).lower()}" for name, count in verdicts.items())


def _describe_rollbacks(story: RunStory) -> str:
    text = pluralize(story.num_rollbacks, "rollback")
    if escalated := story.counts.get("GOVERNOR_ESCALATED", 0):
        text += f", {escalated:,} escalated"
    return text


def _describe_snapshots(story: RunStory) -> str:
    text = pluralize(story.num_snapshots, "snapshot")
    if story.governor.snapshots:
        newest = story.governor.snapshots[-1].payload
        text += f", step {show_number(newest.step)}, {show_bytes(newest.num_bytes)}"
    return text


def _name(member: Any) -> str:
    """Return the name of a member of an enum; `-` if the log lacks it."""
    return MISSING if member is None else str(member.name)
