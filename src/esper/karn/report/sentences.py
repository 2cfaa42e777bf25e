"""Says in sentences what happened in a run: its result, and each seed's story with its evidence.

Text from the log is made printable here. A value that the log lacks is said to be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

from esper._generated.enums import RunOutcome, SeedStage
from esper._generated.records import SeedEvidence
from esper._generated.run import LoopStartedPayload
from esper.karn.charts.curves import number
from esper.karn.charts.rows import NOT_IN_LOG, points_of
from esper.karn.seed_story import GateStory, SeedStory, Step
from esper.karn.series import Series
from esper.karn.story import RunStory
from esper.leyline.text import join_names, pluralize, printable

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
        text = "The run goes on" if alive else "The log stops, with no end of the run,"
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
        has_governor = any(name.startswith("GOVERNOR_") for name in story.counts)
        if isinstance(story.started, LoopStartedPayload) and not has_governor:
            return "No governor reported to the log."
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
