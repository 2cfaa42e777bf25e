"""The health of a run: one word, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from esper._generated.enums import RunOutcome
from esper._generated.governor import GovernorPanicPayload, GovernorRollbackPayload
from esper._generated.run import RunStartedPayload
from esper.karn.story import Event, RunStory
from esper.karn.watch.texts import show_duration, show_number
from esper.leyline.text import pluralize, printable

Tone = Literal["good", "warning", "bad", "neutral"]

_RECENT_EPOCHS = 2
"""Epochs after a rollback in which it is still the news about a run."""
_RECENT_S = 300
"""Seconds after a rollback or an alarm in which it is the news, where the training loop counts no epochs."""
_QUIET_S = 60
"""Seconds without an event after which the reason says so; a long epoch may take as long."""
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a run is doing."""

    word: str
    """healthy, suspicion, rolled back, stopped, died, finished, interrupted, failed, unknown, waiting or unreadable."""
    reason: str
    """Why, in a few words that are safe to show."""
    tone: Tone
    """How good that is."""


def judge_health(story: RunStory | None, problem: str | None, now_ns: int) -> Health:
    """Return the health of a run.

    Args:
        story: None if its log has no events yet.
        problem: why the log cannot be read; None if it can.
        now_ns: wall time in nanoseconds since 1970 UTC.
    """
    if story is None:
        reason = problem or "no events yet"
        is_empty = problem is None or problem.startswith("no events")
        word = "waiting" if is_empty else "unreadable"
        return Health(word=word, reason=reason, tone="neutral" if is_empty else "bad")
    if story.finished is not None:
        return _judge_end(story)
    seconds = (now_ns - story.progress.last_event_ns) / _SECOND_NS
    age = show_duration(seconds)
    if story.state == "died":
        is_own = not isinstance(story.started, RunStartedPayload)
        remedy = "" if is_own else "; go on: esper train --resume RUN"
        reason = f"no process, last event {age} ago{remedy}"
        return Health(word="died", reason=reason, tone="bad")
    if story.stopped is not None:
        reason = printable(story.stopped.payload.message or "by the governor")
        return Health(word="stopped", reason=reason, tone="bad")
    if story.state == "unknown":
        reason = f"the end is not in the log, last event {age} ago; without a lock file nobody knows whether it goes on"
        return Health(word="unknown", reason=reason, tone="warning")
    health = _judge_training(story)
    if seconds < _QUIET_S:
        return health
    return replace(health, reason=f"{health.reason}; last event {age} ago")


def _judge_end(story: RunStory) -> Health:
    finished = story.finished
    assert finished is not None
    seconds = show_duration(finished.duration_s)
    epochs = pluralize(story.epochs_completed or 0, "epoch")
    if not story.has_epochs and story.metrics.last_step is not None:
        epochs = f"step {story.metrics.last_step:,}"
    match finished.outcome:
        case RunOutcome.COMPLETED:
            return Health(word="finished", reason=f"{epochs} in {seconds}", tone="good")
        case RunOutcome.STOPPED:
            stopped = story.stopped
            message = None if stopped is None else stopped.payload.message
            reason = printable(message) if message else "by the governor"
            return Health(word="stopped", reason=reason, tone="bad")
        case RunOutcome.FAILED:
            error, message = finished.error_type or "an error", finished.error_message
            reason = printable(f"{error}: {message}" if message else error)
            return Health(word="failed", reason=reason, tone="bad")
        case RunOutcome.INTERRUPTED:
            return Health(word="interrupted", reason=f"after {epochs}", tone="warning")
        case _:
            return Health(word="ended", reason=f"{epochs} in {seconds}", tone="neutral")


def _judge_training(story: RunStory) -> Health:
    """Return the health of a run that goes on: that of its newest alarm, while it is recent."""
    alarms: list[Event[Any]] = [*story.panics[-1:], *story.rollbacks[-1:], *story.cleared[-1:]]
    # A rollback comes after the panic that led to it, possibly within the resolution of the clock.
    newest = max(
        alarms,
        key=lambda one: (one.t_wall_ns, isinstance(one.payload, GovernorRollbackPayload)),
        default=None,
    )
    if newest is None:
        return Health(word="healthy", reason="no alarms", tone="good")
    place = "before the first epoch" if newest.epoch is None else f"epoch {newest.epoch}"
    is_recent = story.last_epoch - (newest.epoch or 0) <= _RECENT_EPOCHS
    if not story.has_epochs:
        seconds = _seconds_since(story, newest)
        place, is_recent = f"{show_duration(seconds)} before the newest event", seconds <= _RECENT_S
    if isinstance(newest.payload, GovernorRollbackPayload) and is_recent:
        rollback = newest.payload
        cause = "" if rollback.reason is None else f"{rollback.reason.name}, "
        reason = f"{place}: {cause}back to step {show_number(rollback.to_step)}"
        return Health(word="rolled back", reason=reason, tone="bad")
    if isinstance(newest.payload, GovernorPanicPayload) and _is_open(story, newest):
        panic = newest.payload
        cause = "a loss" if panic.reason is None else f"{panic.reason.name},"
        limit = "" if panic.loss_threshold is None else f" above {panic.loss_threshold:.4g}"
        reason = f"{place}: {cause} loss {show_number(panic.loss)}{limit}"
        return Health(word="suspicion", reason=reason, tone="warning")
    count = pluralize(story.num_panics, "alarm")
    if story.num_rollbacks:
        count = pluralize(story.num_rollbacks, "rollback")
    place = f"in {place}" if story.has_epochs else place
    return Health(word="healthy", reason=f"{count}, the last alarm {place}", tone="good")


def _seconds_since(story: RunStory, event: Event[Any]) -> float:
    """Return the time from an event to the newest one of the run, in seconds."""
    return (story.progress.last_event_ns - event.t_wall_ns) / _SECOND_NS


def _is_open(story: RunStory, panic: Event[GovernorPanicPayload]) -> bool:
    """Return whether no epoch has ended well since an alarm; without epochs, whether it is recent."""
    if not story.has_epochs:
        return _seconds_since(story, panic) <= _RECENT_S
    if not story.epochs:
        return True
    latest = story.epochs[-1]
    has_ended_since = latest.t_wall_ns > panic.t_wall_ns
    return not has_ended_since or bool(latest.payload.severity)
