"""Says in sentences what happened in a run: its result, each seed's story with its evidence, and the governor's actions.

Text from the log is made printable here. A value that the log lacks is said to be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from math import isclose, isinf, isnan
from typing import Any, Final

from esper._generated.enums import EscalationAction, PanicReason, RunOutcome, SeedStage
from esper._generated.records import ProbeEvidence, SeedEvidence
from esper._generated.run import HostRejuvenatedPayload
from esper.karn.charts.curves import number
from esper.karn.charts.rows import NOT_IN_LOG, points_of
from esper.karn.seed_story import GateStory, SeedStory, Step
from esper.karn.series import Series
from esper.karn.story import RunStory
from esper.leyline.text import join_names, pluralize, printable

MAX_EVENTS: Final = 40
"""Actions of the governor that are told one by one; of more, the first and the last."""
_MAX_NAMES = 12

OUTCOMES: Final = {
    RunOutcome.COMPLETED: ("completed", "good"),
    RunOutcome.INTERRUPTED: ("interrupted", "warning"),
    RunOutcome.FAILED: ("failed", "bad"),
    RunOutcome.STOPPED: ("stopped by the governor", "bad"),
    None: ("no end in the log", "warning"),
}
"""How a run ended, for people, and how good that is."""

_VERBS: Final = {
    SeedStage.GERMINATED: "planted in",
    SeedStage.TRAINING: "trained on its own from",
    SeedStage.BLENDING: "blended in from",
    SeedStage.HOLDING: "held at its full amplitude from",
    SeedStage.FOSSILIZED: "kept for good (fossilized) in",
    SeedStage.PRUNED: "pruned in",
    SeedStage.DORMANT: "its slot empty again from",
}
_CAUSES: Final = {
    PanicReason.NAN: "The loss was NaN or infinite",
    PanicReason.LOBOTOMY: "The loss jumped to that of random guessing",
    PanicReason.DIVERGENCE: "The loss rose far above its recent values",
    PanicReason.DRIFT: "The loss had slowly risen far above its best value",
    PanicReason.GRADIENT: "The norm of the gradient was NaN or infinite",
    PanicReason.WEIGHTS: "A weight, a buffer or a value in the optimizer's state was NaN or infinite",
    PanicReason.ORDERED: "The program asked for it",
}
_MAX_METRICS: Final = 4


def show(value: float | int | None, spec: str = ".4g", unit: str = "") -> str:
    """Return a number with its unit; a text if the log lacks it."""
    return NOT_IN_LOG if value is None else f"{value:{spec}}{unit}"


def show_text(value: str | None, max_length: int = 200) -> str:
    """Return a text from the log, printable; a text if the log lacks it."""
    return NOT_IN_LOG if value is None else printable(value, max_length)


def count_times(number: int) -> str:
    """Return how often something happened: `once`, `1,234 times`."""
    return "once" if number == 1 else f"{number:,} times"


def show_name(member: Enum | None) -> str:
    """Return the name of an enum's member in lower case with blanks."""
    return NOT_IN_LOG if member is None else member.name.lower().replace("_", " ")


def describe_result(story: RunStory) -> Iterator[str]:
    """Yield the sentences with which a report begins: end, result, growth, and what the governor did."""
    yield _describe_end(story)
    yield _describe_score(story)
    kept, pruned = story.count_seeds(SeedStage.FOSSILIZED), story.count_seeds(SeedStage.PRUNED)
    num_seeds = sum(slot.num_seeds for slot in story.slots)
    if num_seeds:
        open_ = num_seeds - kept - pruned
        rest = f", {open_} not decided" if open_ > 0 else ""
        were = "was" if num_seeds == 1 else "were"
        yield f"{pluralize(num_seeds, 'seed')} {were} planted: {kept} kept, {pruned} pruned{rest}."
    else:
        yield "No seed was planted."
    yield _describe_health(story)


def _describe_end(story: RunStory) -> str:
    name, _ = outcome_of(story)
    text = f"The run {'has ' + name if story.finished is None else 'was ' + name}"
    if story.outcome is RunOutcome.COMPLETED:
        text = "The run completed"
    elif story.outcome is RunOutcome.FAILED:
        text = "The run failed"
    elif story.finished is None:
        alive = story.progress.is_alive
        text = "The run goes on" if alive else "The log has no end of the run"
    text += f" after {describe_extent(story)}"
    if story.finished is not None:
        text += f" in {show(story.finished.duration_s, '.1f', ' s')}"
    finished = story.finished
    if finished is not None and finished.error_type is not None:
        text += f": {show_text(finished.error_type)}"
        text += "" if finished.error_message is None else f": {printable(finished.error_message)}"
        text += "" if finished.error_place is None else f", at {printable(finished.error_place)}"
    return f"{text}."


def describe_extent(story: RunStory) -> str:
    """Return how far a run got, such as "20 of 20 epochs"; its newest logged step if its training loop reports no epochs."""
    if story.epochs_planned is not None:
        return f"{story.epochs_completed:,} of {story.epochs_planned:,} epochs"
    if not story.epochs_completed and story.metrics.last_step is not None:
        return f"step {story.metrics.last_step:,}"
    return pluralize(story.epochs_completed, "epoch")


def outcome_of(story: RunStory) -> tuple[str, str]:
    """Return how the run ended, and whether that is good, a warning or bad."""
    if story.finished is None and story.progress.is_alive:
        return "running", "good"
    # A later minor version of the contract may have added an outcome.
    name = "" if story.outcome is None else story.outcome.name.lower()
    return OUTCOMES.get(story.outcome, (name, "warning"))


def _describe_score(story: RunStory) -> str:
    on_test = story.test_accuracy is not None
    grown, host = story.quality, story.host_quality
    name = f"{'test' if on_test else 'validation'} {printable(story.metric)}"
    if grown is None and story.metrics.newest:
        return f"Its newest metrics are {_join_metrics(story)}."
    if grown is None:
        return f"Its {name} is {NOT_IN_LOG}."
    text = f"The network reaches {grown:.2f} % {name}"
    if host is not None:
        difference = grown - host
        word = "above" if difference >= 0 else "below"
        text += f", {abs(difference):.2f} percentage points {word} the host alone"
    added = story.params_added
    if story.num_params is not None:
        text += f", with {story.num_params:,} parameters"
        text += f" ({added:+,})" if added else ""
    return f"{text}."


def _join_metrics(story: RunStory) -> str:
    names = list(story.metrics.newest)
    shown = [
        f"{show_text(name, 40)} {story.metrics.newest[name]:.4g}" for name in names[:_MAX_METRICS]
    ]
    more = [f"{len(names) - _MAX_METRICS} more"] if len(names) > _MAX_METRICS else []
    return ", ".join(shown + more)


def _describe_health(story: RunStory) -> str:
    parts = []
    if story.num_rollbacks:
        parts.append(f"rolled back {count_times(story.num_rollbacks)}")
    if story.num_cleared:
        parts.append(f"cleared {pluralize(story.num_cleared, 'suspicion')}")
    if story.num_skipped_steps:
        parts.append(f"skipped {pluralize(story.num_skipped_steps, 'step')}")
    if story.stopped is not None:
        parts.append("stopped the run")
    if not parts:
        return "The governor had nothing to undo."
    *first, last = parts
    return f"The governor {', '.join(first)}{' and ' if first else ''}{last}."


def describe_seed(seed: SeedStory) -> Iterator[str]:
    """Yield the story of a seed: its stages, why it ended, its evidence, its gradients."""
    yield f"{_describe_life(seed)}."
    end = seed.end
    if end is not None and end.stage is SeedStage.PRUNED:
        by = "" if end.initiator is None else f" by {printable(end.initiator)}"
        auto = " as a safety rule demands" if end.auto_pruned else ""
        yield f"It was pruned{by}{auto}; reason: {show_text(end.reason)}."
    evidence = seed.evidence or (seed.evidences[-1].evidence if seed.evidences else None)
    if evidence is not None:
        yield describe_evidence(evidence)
    elif end is not None:
        yield f"Evidence for or against it: {NOT_IN_LOG}."
    contribution = seed.contribution
    if contribution is not None:
        yield f"Switching it off changed the accuracy by {-contribution + 0.0:+.2f} percentage points."
    yield from _describe_gradient(seed)


def _describe_life(seed: SeedStory) -> str:
    parts = []
    cooling = (SeedStage.EMBARGOED, SeedStage.RESETTING)
    for number_, step in enumerate(seed.steps):
        following = seed.steps[number_ + 1 : number_ + 2]
        # A stage that was left in the epoch in which it was entered is not worth a word.
        is_moment = bool(following) and following[0].epoch == step.epoch is not None
        is_moment = is_moment and step.stage not in (
            SeedStage.GERMINATED,
            SeedStage.FOSSILIZED,
            SeedStage.PRUNED,
        )
        if step.stage in cooling or is_moment:
            continue
        verb = _VERBS.get(step.stage, f"{step.stage.name.lower()} from")
        parts.append(f"{verb} {_when(step)}")
    if not parts:
        return f"Its stages: {NOT_IN_LOG}"
    text = join_names(parts, max_names=_MAX_NAMES)
    return f"{text[0].upper()}{text[1:]}"


def _when(step: Step) -> str:
    return "an epoch that is not in the log" if step.epoch is None else f"epoch {step.epoch}"


def describe_evidence(evidence: SeedEvidence) -> str:
    """Return the comparison of the losses with and without a seed as a sentence; single fields may be missing."""
    values: Any = evidence
    change, low, high = (
        None if value is None else -value + 0.0
        for value in (values.difference, values.high, values.low)
    )
    samples = NOT_IN_LOG if values.num_samples is None else f"{values.num_samples:,}"
    text = (
        f"Its newest comparison (number {show(values.look, 'd')}, {show_name(values.mode)},"
        f" {samples} samples): with the seed the loss changes by {show(change, '+.2g')} nats,"
        f" interval {show(low, '+.2g')} to {show(high, '+.2g')}."
    )
    price = f"{show(values.price, '.2g')} nats for its {show(values.num_params, ',d')} parameters"
    if high is None or low is None or values.price is None:
        return f"{text} Price: {price}."
    if high < -values.price:
        return f"{text} The whole interval is below minus its price of {price}: it pays."
    if low > -values.price:
        return f"{text} The whole interval is above minus its price of {price}: it does not pay."
    return f"{text} The interval contains minus its price of {price}: it is open whether it pays."


def _describe_gradient(seed: SeedStory) -> Iterator[str]:
    series: Series | None = seed.gradient
    values = [] if series is None else [y for _, y in points_of(series)]
    if values:
        text = f"The norm of its gradient was {number(min(values))} to {number(max(values))} times the host's"
        flags = []
        if seed.num_vanishing:
            flags.append(f"vanishing in {pluralize(seed.num_vanishing, 'measurement')}")
        if seed.num_exploding:
            flags.append(f"exploding in {pluralize(seed.num_exploding, 'measurement')}")
        yield f"{text}{': ' + ' and '.join(flags) if flags else ''}."


def describe_gate(gate: GateStory) -> tuple[str, str, str, str, str]:
    """Return epoch, gate, result, failed checks and the reason of a gate's check, each as a text."""
    result = NOT_IN_LOG if gate.passed is None else "passed" if gate.passed else "not passed"
    target = "" if gate.target_stage is None else f" to {show_name(gate.target_stage)}"
    failed = ", ".join(show_name(check) for check in gate.checks_failed) or "-"
    name = NOT_IN_LOG if gate.gate is None else gate.gate.name
    return show(gate.epoch, "d"), f"{name}{target}", result, failed, show_text(gate.message)


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
            place = NOT_IN_LOG if event.epoch is None else f"epoch {event.epoch}"
            events.append((event.t_wall_ns, place, kind, tell(event.payload)))
    for event in story.rejuvenations:
        place = NOT_IN_LOG if event.epoch is None else f"epoch {event.epoch}"
        events.append(
            (event.t_wall_ns, place, "rejuvenation", _describe_rejuvenation(event.payload))
        )
    events.sort(key=lambda one: one[0])
    told = [(place, kind, text) for _, place, kind, text in events]
    if len(told) <= MAX_EVENTS:
        return told
    half = MAX_EVENTS // 2
    middle = ("", "", f"... {pluralize(len(told) - MAX_EVENTS, 'more event')} ...")
    return [*told[:half], middle, *told[-half:]]


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
    text = f"At step {show(cleared.step, ',d')}, with a loss of {show(cleared.loss, '.4g')}, {show_name(cleared.reason)} was suspected;"
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
    """Return why the governor rolled back, with the loss and the threshold that it exceeded."""
    reason, loss, threshold = rollback.reason, rollback.loss_at_panic, rollback.loss_threshold
    if reason is None:
        return f"For a reason that is {NOT_IN_LOG}"
    if reason is PanicReason.NAN and loss is not None and (isnan(loss) or isinf(loss)):
        return f"The loss was {'NaN' if isnan(loss) else 'infinite'}"
    # A later minor version of the contract may have added a reason.
    text = _CAUSES.get(reason, f"The governor found {show_name(reason)}")
    if loss is None:
        return text
    limit = "" if threshold is None else f", threshold {threshold:.4g}"
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
    return f"At step {show(event.step, ',d')}, a whole window had passed without a rollback after {show(event.attempts, 'd')} of them."


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
