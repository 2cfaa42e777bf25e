"""Rules about the governor: each rollback and whether it helped, suspicions, skipped steps, lost steps, snapshots, its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from esper._generated.enums import PanicReason, SkipCause
from esper.karn.explain.curve import EpochLoss, losses_of
from esper.karn.explain.finding import Finding, Value, problem, refs
from esper.karn.explain.thresholds import THRESHOLDS as T
from esper.karn.report.governor_sentences import (
    describe_cleared,
    describe_escalation,
    describe_recovery,
    describe_rollback,
)
from esper.karn.report.sentences import show_name, show_text
from esper.karn.story import Event, RunStory
from esper.leyline.text import pluralize

_MAX_EVENTS = 20
"""Events of a kind that get a sentence each; of more, the first and the newest."""
_NOT_FINITE = (PanicReason.NAN, PanicReason.GRADIENT, PanicReason.WEIGHTS)
_CAUSES = {
    SkipCause.DATA: "look for NaN and infinities in the data",
    SkipCause.GRADIENT: "lower the learning rate or clip gradients",
    SkipCause.OVERFLOW: "start the loss scale of mixed precision lower, or use bfloat16",
}


def judge_governor(story: RunStory) -> Iterator[Finding]:
    """Yield what the governor did, whether it helped, and what looks wrong about it."""
    yield from _describe_rollbacks(story)
    governor = story.governor
    tellers: tuple[tuple[Sequence[Event[Any]], str, Any], ...] = (
        (governor.cleared, "suspicion_cleared", describe_cleared),
        (governor.escalations, "escalation", describe_escalation),
        (governor.recoveries, "recovery", describe_recovery),
    )
    for events, rule, tell in tellers:
        for event in _cut(events):
            yield Finding(
                kind="happened",
                rule=rule,
                text=tell(event.payload),
                numbers=_plain(event.payload),
                events=refs(event),
            )
    for judge in (
        _judge_stop,
        _judge_finite,
        _judge_rollbacks,
        _judge_lost,
        _judge_skipped,
        _judge_suspicions,
    ):
        yield from judge(story)
    yield from _judge_snapshots(story)
    yield from _judge_watched(story)


def _cut(events: Sequence[Event[Any]]) -> Sequence[Event[Any]]:
    half = _MAX_EVENTS // 2
    return events if len(events) <= _MAX_EVENTS else (*events[:half], *events[-half:])


def _plain(payload: Any) -> dict[str, Value]:
    """Return the numbers of a payload by name."""
    values = {name: getattr(payload, name) for name in type(payload).__slots__}
    return {
        name: value
        for name, value in values.items()
        if type(value) in (int, float, bool) and name != "env_id"
    }


def _describe_rollbacks(story: RunStory) -> Iterator[Finding]:
    points = losses_of(story)
    in_vain: list[Event[Any]] = []
    for event in _cut(story.rollbacks):
        told, helped, evidence = _judge_help(story, event, points)
        in_vain += (event,) if helped is False else ()
        numbers = {**_plain(event.payload), "helped": helped}
        if event.payload.evidence is not None:
            numbers |= _plain(event.payload.evidence)
        yield Finding(
            kind="happened",
            rule="rollback",
            text=f"{describe_rollback(event.payload)} {told}",
            numbers=numbers,
            events=refs(event, *evidence),
        )
    left_out = len(story.rollbacks) - len(_cut(story.rollbacks))
    if left_out:
        text = f"{pluralize(left_out, 'more rollback')} in between are not described here."
        numbers = {"num_left_out": left_out}
        events = refs(*story.rollbacks[_MAX_EVENTS // 2 : -_MAX_EVENTS // 2])
        yield Finding(kind="happened", rule="rollback", text=text, numbers=numbers, events=events)
    if in_vain:
        yield from problem(
            "rollback_in_vain",
            f"{pluralize(len(in_vain), 'rollback')} did not help: the loss stayed high or rose again.",
            f"Look for a cause that a rollback does not remove, such as the data or a learning rate that is too high{_rate(story)};"
            f" threshold: a decision loss after it of more than {T.helped:g} times the best of the three epochs before.",
            numbers={"num_in_vain": len(in_vain), "threshold": T.helped},
            events=refs(*in_vain),
        )


def _rate(story: RunStory) -> str:
    """Return the highest learning rate of the run in brackets; nothing if the log lacks it."""
    curve = story.learning_rates.get("learning_rate")
    return "" if curve is None or curve.high is None else f" (at most {curve.high:.3g} in this run)"


def _judge_help(
    story: RunStory, event: Event[Any], points: Sequence[EpochLoss]
) -> tuple[str, bool | None, tuple[Event[Any], ...]]:
    """Return whether a rollback helped, as a sentence and a value, and the events that say so."""
    # The epoch at whose end the governor rolled back reports the loss that it saw before.
    points = [one for one in points if one.val != event.payload.loss_at_panic]
    before = [one for one in points if one.event.t_wall_ns < event.t_wall_ns][-3:]
    after = next((one for one in points if one.event.t_wall_ns >= event.t_wall_ns), None)
    if after is None or not before:
        return (
            "Whether it helped is not known: the log lacks a finite decision loss before or after it.",
            None,
            (),
        )
    again = next(
        (one for one in story.rollbacks if event.t_wall_ns < one.t_wall_ns < after.event.t_wall_ns),
        None,
    )
    if again is not None:
        return "It did not help: another rollback followed in the same epoch.", False, (again,)
    trial = _find_trial(story, after)
    if trial is not None:
        text = (
            f"Whether it helped is not known: the decision loss of epoch {after.epoch} is that of a network that was"
            " rejuvenated on trial."
        )
        return text, None, (after.event, trial)
    best = min(before, key=lambda one: one.val)
    helped = best.val > 0 and after.val <= T.helped * best.val
    text = (
        f"{'It helped' if helped else 'It did not help'}: the decision loss of epoch {after.epoch} is {after.val:.4g},"
        f" {'at most' if helped else 'more than'} {T.helped:g} times the {best.val:.4g} of epoch {best.epoch}."
    )
    return text, helped, (best.event, after.event)


def _find_trial(story: RunStory, point: EpochLoss) -> Event[Any] | None:
    """Return the rejuvenation whose trial the epoch belongs to; its losses are higher for a while, which is no damage."""
    for event in story.rejuvenations:
        start, end = event.payload.after_epoch, event.epoch
        if start is not None and end is not None and start < point.epoch <= end:
            return event
    return None


def _judge_stop(story: RunStory) -> Iterator[Finding]:
    if story.stopped is not None:
        stopped = story.stopped.payload
        yield from problem(
            "stopped",
            f"The governor stopped the run because of {show_name(stopped.reason)}: {show_text(stopped.message)}",
            "Remove the cause, such as a learning rate that is too high or a broken batch, before the run is started again;"
            " threshold: more rollbacks than the budget of a window allows.",
            numbers=_plain(stopped),
            events=refs(story.stopped),
        )


def _judge_finite(story: RunStory) -> Iterator[Finding]:
    """Yield that NaN or infinities led to rollbacks: the governor removes them, but not their cause."""
    events = [event for event in story.rollbacks if event.payload.reason in _NOT_FINITE]
    if events:
        yield from problem(
            "not_finite",
            f"NaN or infinities appeared in the training and led to {pluralize(len(events), 'rollback')}.",
            "Look for NaN in the data, for divisions by zero and logarithms of zero in the loss, and lower the learning rate if"
            " there are none; threshold: one rollback.",
            numbers={"num_rollbacks": len(events), "threshold": 1},
            events=refs(*events),
        )


def _judge_rollbacks(story: RunStory) -> Iterator[Finding]:
    if story.num_rollbacks < T.rollbacks:
        return
    reasons = Counter(
        event.payload.reason for event in story.rollbacks if event.payload.reason is not None
    )
    common = reasons.most_common(1)
    cause = f", {common[0][1]} of them because of {show_name(common[0][0])}" if common else ""
    curve = story.learning_rates.get("learning_rate")
    high = None if curve is None else curve.high
    rate = "" if high is None else f" from {high:.3g}, for example to {high / 2:.3g}"
    yield from problem(
        "many_rollbacks",
        f"The governor rolled back {story.num_rollbacks} times{cause}.",
        f"Lower the learning rate{rate}; threshold: {T.rollbacks} rollbacks in a run.",
        numbers={
            "num_rollbacks": story.num_rollbacks,
            "learning_rate": high,
            "threshold": T.rollbacks,
        },
        events=refs(*story.rollbacks),
    )


def _num_steps(story: RunStory) -> int:
    """Return the latest step that an event of the governor or of the metrics names; 0 if there is none."""
    governor = story.governor
    steps = [story.metrics.last_step or 0]
    steps += [event.payload.step or 0 for event in governor.snapshots[-1:]]
    steps += [event.payload.step or 0 for event in governor.skipped_steps[-1:]]
    steps += [event.payload.from_step or 0 for event in governor.rollbacks]
    return max(steps)


def _judge_lost(story: RunStory) -> Iterator[Finding]:
    spans = [
        event.payload.from_step - event.payload.to_step
        for event in story.rollbacks
        if event.payload.from_step is not None and event.payload.to_step is not None
    ]
    total, lost = _num_steps(story), sum(spans)
    if not lost or not total:
        return
    text = f"Rollbacks undid {lost:,} of {total:,} steps."
    numbers: dict[str, Value] = {"num_lost": lost, "num_steps": total, "threshold": T.lost_share}
    events = refs(*story.rollbacks)
    if lost <= T.lost_share * total:
        yield Finding(kind="happened", rule="steps_lost", text=text, numbers=numbers, events=events)
        return
    yield from problem(
        "steps_lost",
        text,
        "Take snapshots more often (a smaller snapshot_interval of the governor); threshold:"
        f" {100 * T.lost_share:g} % of the steps.",
        numbers=numbers,
        events=events,
    )


def _judge_skipped(story: RunStory) -> Iterator[Finding]:
    count, total = story.num_skipped_steps, _num_steps(story)
    if not count:
        return
    causes = Counter(
        event.payload.cause
        for event in story.governor.skipped_steps
        if event.payload.cause is not None
    )
    named = ", ".join(f"{number} for {show_name(cause)}" for cause, number in causes.most_common())
    share = f" of {total:,} ({100 * count / total:.2g} %)" if total else ""
    text = f"The governor skipped {pluralize(count, 'step')}{share}{': ' if named else ''}{named}."
    numbers: dict[str, Value] = {
        "num_skipped": count,
        "num_steps": total or None,
        "threshold": T.skipped_share,
    }
    events = refs(*story.governor.skipped_steps)
    planned = causes.get(SkipCause.PLANNED, 0)
    if not total or count - planned <= T.skipped_share * total:
        yield Finding(
            kind="happened", rule="skipped_steps", text=text, numbers=numbers, events=events
        )
        return
    main = next((cause for cause, _ in causes.most_common() if cause in _CAUSES), None)
    remedy = _CAUSES[main] if main is not None else "look at the losses of these steps"
    yield from problem(
        "skipped_steps",
        text,
        f"{remedy[0].upper()}{remedy[1:]}; threshold: {100 * T.skipped_share:g} % of the steps.",
        numbers=numbers,
        events=events,
    )


def _judge_suspicions(story: RunStory) -> Iterator[Finding]:
    count, epochs = story.num_cleared, story.epochs_completed
    limit = max(T.false_alarms, T.false_alarms_per_epoch * (epochs or 0))
    if count < limit:
        return
    # A training loop of the user's own may report no epochs.
    share = f", in {pluralize(epochs, 'epoch')}" if epochs else ""
    rate = f", and {T.false_alarms_per_epoch:g} an epoch" if epochs else ""
    yield from problem(
        "false_alarms",
        f"The governor suspected damage {count} times without a cause{share}.",
        "Allow larger losses before a suspicion (the governor's detector), since each one costs a comparison; threshold:"
        f" {T.false_alarms} suspicions{rate}.",
        numbers={"num_cleared": count, "epochs": epochs, "threshold": limit},
        events=refs(*story.cleared),
    )


def _judge_snapshots(story: RunStory) -> Iterator[Finding]:
    failed = story.failed_snapshots
    if failed:
        newest = failed[-1].payload
        yield from problem(
            "snapshot_failed",
            f"{pluralize(len(failed), 'snapshot')} could not be taken; the newest: {show_text(newest.message)}.",
            "Look at the parameters that it names: a rollback goes back to an older snapshot until one succeeds; threshold: one"
            " failure.",
            numbers={"num_failed": len(failed), "threshold": 1},
            events=refs(*failed),
        )


def _judge_watched(story: RunStory) -> Iterator[Finding]:
    watched = story.watched
    if watched:
        yield from problem(
            "watched_only",
            f"The governor only watched; it would have acted {pluralize(len(watched), 'time')}.",
            "Let it act, or find the cause of these alarms; threshold: one alarm.",
            numbers={"num_watched": len(watched), "threshold": 1},
            events=refs(*watched),
        )
