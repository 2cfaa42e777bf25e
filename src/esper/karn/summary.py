"""Summarizes the story of a run for people, on a terminal or as plain text; text from the log is made printable."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from esper._generated.enums import RunOutcome, SeedStage
from esper._generated.governor import GovernorRollbackPayload
from esper._generated.records import SeedEvidence
from esper._generated.run import HostRejuvenatedPayload, LoopStartedPayload
from esper.karn.log_problems import MAX_LISTED, describe_telemetry
from esper.karn.seed_story import SeedStory, Step
from esper.karn.size_and_cost import describe_cost, describe_parameters, fixed
from esper.karn.story import Event, RunStory
from esper.karn.timeline import draw_timeline, slot_labels
from esper.leyline.evidence import describe_evidence, describe_rejuvenation
from esper.leyline.text import join_names, pluralize, printable
from esper.nissa.tags import MAX_NOTE

_Item = TypeVar("_Item")
_Entry = tuple[str, str, str]
"""A label, a text and the style of the text."""

_MISSING = "missing in the log"
_MAX_WIDTH = 120
_MIN_COLUMN = 20
_MAX_PATH = 4096
_MAX_METRICS = 8
_MAX_ROWS = 24
"""Seeds, and rollbacks, that get a row; the first and the last are shown. `--json` has all of them."""
_MAX_STEPS = 12
"""Stages that are listed of one seed."""
_OUTCOMES = {
    RunOutcome.COMPLETED: ("completed", "bold green"),
    RunOutcome.INTERRUPTED: ("interrupted", "bold yellow"),
    RunOutcome.FAILED: ("failed", "bold red"),
    RunOutcome.STOPPED: ("stopped by the governor", "bold red"),
    None: ("running or crashed", "bold yellow"),
}
_STAGES = {
    SeedStage.UNKNOWN: "unknown",
    SeedStage.DORMANT: "slot empty again",
    SeedStage.GERMINATED: "germinated",
    SeedStage.TRAINING: "training",
    SeedStage.BLENDING: "blending",
    SeedStage.HOLDING: "holding",
    SeedStage.FOSSILIZED: "fossilized",
    SeedStage.PRUNED: "pruned",
    SeedStage.EMBARGOED: "cooling down",
    SeedStage.RESETTING: "resetting",
}


def render(
    story: RunStory, console: Console, *, tags: Mapping[str, str | None] | None = None
) -> None:
    """Print the summary: outcome and figures, a timeline, the seeds of each slot, rollbacks, gaps in the log.

    `tags` are the tags of the run, each with its note.
    """
    width = min(console.width, _MAX_WIDTH)
    sections = [
        [_title(story), *_hang([*_facts(story), *_describe_tags(tags or {})], width)],
        draw_timeline(story, width=width, ascii_only=console.options.ascii_only),
        _headed("Slots", [*_hang(_seeds(story), width), *_legend(story, width)]),
        _headed("Rejuvenations", _hang(_rejuvenations(story), width)),
        _headed("Rollbacks", _hang(_rollbacks(story), width)),
        [Text(printable(str(story.folder), _MAX_PATH))],
    ]
    # The console does not wrap the text again, so that the path can be copied in one piece.
    text = Text("\n\n").join(Text("\n").join(section) for section in sections if section)
    console.print(text, highlight=False, soft_wrap=True)


def _title(story: RunStory) -> Text:
    # A later minor version of the contract may have added an outcome.
    name = "" if story.outcome is None else story.outcome.name.lower()
    outcome = _OUTCOMES.get(story.outcome, (name, "bold"))
    return Text.assemble((printable(story.run_id), "bold"), "  ", outcome)


def _facts(story: RunStory) -> list[_Entry]:
    governor, *failures = _describe_governor(story)
    telemetry, *problems = describe_telemetry(story)
    return [
        *(("failure", failure, "red") for failure in _describe_failure(story)),
        ("trained", _describe_task(story), ""),
        *_describe_scores(story),
        ("parameters", describe_parameters(story), ""),
        *(("cost", cost, "") for cost in describe_cost(story)),
        *(("metrics", metrics, "") for metrics in _describe_metrics(story)),
        ("seeds", _describe_seeds(story), ""),
        ("governor", governor, ""),
        *(("", failure, "red") for failure in failures),
        ("telemetry", telemetry, ""),
        *(("", problem, "yellow") for problem in problems),
    ]


def _describe_tags(tags: Mapping[str, str | None]) -> Iterator[_Entry]:
    for number, (name, note) in enumerate(tags.items()):
        text = name if note is None else f"{name}: {printable(note, MAX_NOTE)}"
        yield "" if number else "tags", printable(text, MAX_NOTE), ""


def _seeds(story: RunStory) -> list[_Entry]:
    labels = slot_labels(story.slots)
    seeds = [
        (label, seed)
        for label, slot in zip(labels, story.slots, strict=True)
        for seed in slot.seeds
    ]
    return [
        ("", rest, "dim") if one is None else (one[0], _describe_seed(one[1]), "")
        for one, rest in _cut(seeds, _MAX_ROWS, "more seed")
    ]


def _legend(story: RunStory, width: int) -> list[Text]:
    """Explain the evidence of seeds; an empty list if no seed has any."""
    if not any(seed.evidence for slot in story.slots for seed in slot.seeds):
        return []
    text = "nats: change of the loss by the seed, with its interval; kept if the whole interval is below minus the price"
    return [Text(line, "dim") for line in textwrap.wrap(text, width)]


def _rejuvenations(story: RunStory) -> list[_Entry]:
    entries: list[_Entry] = []
    for event, rest in _cut(story.rejuvenations, _MAX_ROWS, "more rejuvenation"):
        if event is None:
            entries.append(("", rest, "dim"))
        else:
            after = event.payload.after_epoch
            label = "" if after is None else f"epoch {after}"
            entries.append((label, _describe_rejuvenation(event.payload), ""))
    return entries


def _rollbacks(story: RunStory) -> list[_Entry]:
    entries: list[_Entry] = []
    for event, rest in _cut(story.rollbacks, _MAX_ROWS, "more rollback"):
        if event is None:
            entries.append(("", rest, "dim"))
        else:
            is_known = event.epoch is not None and story.has_epochs
            label = f"epoch {event.epoch}" if is_known else ""
            entries.append((label, _describe_rollback(event), ""))
    return entries


def _cut(items: Sequence[_Item], limit: int, noun: str) -> Iterator[tuple[_Item | None, str]]:
    """Yield the items, each with an empty text; of more than `limit` the middle is replaced by None and its size.

    A run may have any number of seeds and rollbacks; a summary of them must stay readable.
    """
    num_left_out = max(len(items) - limit, 0)
    half = limit // 2 if num_left_out else len(items)
    for item in items[:half]:
        yield item, ""
    if num_left_out:
        yield None, f"... and {pluralize(num_left_out, noun)} ..."
        for item in items[half - limit :]:
            yield item, ""


def _describe_task(story: RunStory) -> str:
    epochs = pluralize(story.epochs_completed, "epoch")
    if story.epochs_planned is not None:
        epochs = f"{story.epochs_completed} of {pluralize(story.epochs_planned, 'epoch')}"
    elif not story.epochs_completed and story.metrics.last_step is not None:
        epochs = f"to step {story.metrics.last_step:,}"
    if (started := story.started) is not None:
        task = _text(started.task)
        task += "" if started.seed is None else f", seed {started.seed}"
        task += "" if started.device is None else f", on {printable(started.device)}"
        epochs = f"{task}: {epochs}"
    if story.resumptions:
        epochs += f", resumed {pluralize(len(story.resumptions), 'time')}"
    if story.finished is None:
        return epochs
    duration = story.finished.duration_s
    if not _are_known(duration):
        return epochs
    return f"{epochs} in {duration:{fixed(duration, 1)}} s"


def _describe_failure(story: RunStory) -> Iterator[str]:
    """Yield why the run failed, if the log says so."""
    finished = story.finished
    if finished is not None and finished.error_type is not None:
        place = (
            ""
            if finished.error_place is None
            else f", at {printable(finished.error_place, _MAX_PATH)}"
        )
        message = f": {printable(finished.error_message)}" if finished.error_message else ""
        yield f"{printable(finished.error_type)}{message}{place}"


def _describe_metrics(story: RunStory) -> Iterator[str]:
    """Yield the newest metrics of the user's own training loop, if it has logged any."""
    metrics = story.metrics
    if not metrics.num_logged:
        return
    newest = [f"{printable(name)} {value:.4g}" for name, value in metrics.newest.items()]
    step = "" if metrics.last_step is None else f" at step {metrics.last_step:,}"
    left_out = f", {metrics.num_left_out:,} left out" if metrics.num_left_out else ""
    yield f"{join_names(newest, max_names=_MAX_METRICS)}{step} ({metrics.num_logged:,} logged{left_out})"


def _describe_scores(story: RunStory) -> Iterator[_Entry]:
    """Yield the scores on the test samples, then those on the validation samples, by which the run decided."""
    finished, is_own_loop = story.finished, isinstance(story.started, LoopStartedPayload)
    if is_own_loop:
        grown = story.grown_accuracy
        yield "accuracy", "not measured" if grown is None else f"{grown:.2f} %", ""
        return
    if finished is not None and finished.test_accuracy is not None:
        yield "test", _describe_accuracy(
            story.metric, finished.test_accuracy, finished.baseline_test_accuracy
        ), "bold"
        yield from _describe_loss(finished.test_loss, finished.baseline_test_loss)
    elif story.started is None:
        yield "test", "not measured, or not in the log", ""
    elif story.num_test is None:
        yield "test", "not measured: the task has no test samples", ""
    else:
        yield "test", "not measured yet", ""
    decisions = _describe_accuracy(story.metric, story.grown_accuracy, story.host_accuracy)
    used = "" if story.grown_accuracy is None else "; seeds are kept or pruned by it"
    yield "validation", decisions + used, ""
    if finished is not None:
        yield from _describe_loss(finished.val_loss, finished.baseline_loss)


def _describe_accuracy(metric: str, grown: float | None, host: float | None) -> str:
    if grown is None:
        return "not measured"
    text = f"{printable(metric)} grown {grown:.2f} %"
    if host is None:
        return f"{text}, host alone not measured"
    return f"{text}, host alone {host:.2f} % ({grown - host:+.2f} pp)"


def _describe_loss(grown: float | None, host: float | None) -> Iterator[_Entry]:
    if grown is not None:
        text = f"loss grown {grown:.4g}"
        text += "" if host is None else f", host alone {host:.4g} ({grown - host:+.4f})"
        yield "", text, ""


def _describe_seeds(story: RunStory) -> str:
    stages = (SeedStage.GERMINATED, SeedStage.FOSSILIZED, SeedStage.PRUNED)
    return ", ".join(f"{story.count_seeds(stage)} {_STAGES[stage]}" for stage in stages)


def _describe_governor(story: RunStory) -> Iterator[str]:
    """Yield one line of counts, then a line for each failure."""
    counts = [
        pluralize(story.num_snapshots, "snapshot"),
        pluralize(story.num_panics, "panic"),
        pluralize(story.num_rollbacks, "rollback"),
    ]
    if story.cleared:
        counts.append(f"{pluralize(story.num_cleared, 'suspicion')} cleared")
    if story.num_skipped_steps:
        counts.append(pluralize(story.num_skipped_steps, "skipped step"))
    yield ", ".join(counts)
    if story.watched:
        yield f"watched only; would have acted: {_count_watched(story)}"
    for failed in story.failed_snapshots[:MAX_LISTED]:
        yield f"snapshot {failed.payload.snapshot_id} failed: {_text(failed.payload.message)}"
    if story.stopped is not None:
        yield f"stopped the run: {_text(story.stopped.payload.message)}"


def _count_watched(story: RunStory) -> str:
    """Return how often a governor that only watches would have acted, by severity and reason, with the first step."""
    first: dict[tuple[str, str], int] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for event in story.watched:
        watched = event.payload
        kind = (
            watched.severity.name if _are_known(watched.severity) else _MISSING,
            "OVERFLOW" if watched.reason is None else watched.reason.name,
        )
        counts[kind] += 1
        first.setdefault(kind, watched.step)
    return ", ".join(
        f"{severity} for {reason} {pluralize(number, 'time')} (first at step {first[severity, reason]})"
        for (severity, reason), number in counts.items()
    )


def _describe_seed(seed: SeedStory) -> str:
    name = "unknown blueprint" if seed.blueprint_id is None else printable(seed.blueprint_id)
    size = "" if seed.num_params is None else f" ({pluralize(seed.num_params, 'parameter')})"
    cooling = (SeedStage.EMBARGOED, SeedStage.RESETTING)
    steps = [step for step in seed.steps if step.stage not in cooling]
    life = ", ".join(
        rest if step is None else _describe_step(step)
        for step, rest in _cut(steps, _MAX_STEPS, "more change")
    )
    if seed.evidence is not None:
        verdict = "kept" if seed.stage is SeedStage.FOSSILIZED else "not kept"
        return f"{name}{size}: {life}; {verdict}: {_describe_evidence(seed.evidence)}"
    gain = "" if seed.improvement is None else f"; {_points(seed.improvement)} since germination"
    share = "" if seed.contribution is None else f", contributes {_points(seed.contribution)}"
    return f"{name}{size}: {life}{gain}{share}"


def _describe_evidence(evidence: SeedEvidence) -> str:
    one = evidence
    if _are_known(one.difference, one.low, one.high, one.price, one.num_params):
        return describe_evidence(evidence)
    return f"evidence {_MISSING}"


def _describe_rejuvenation(event: HostRejuvenatedPayload) -> str:
    one = event.evidence
    known = [event.is_kept, event.shrink, event.perturb]
    if one is not None:
        known += [one.difference, one.low, one.high, one.loss_with, one.loss_without]
        known += [one.num_steps, one.tolerance]
    return describe_rejuvenation(event) if _are_known(*known) else f"evidence {_MISSING}"


def _are_known(*values: object) -> bool:
    """Return whether the log has all of these values of an event; a field that it lacks is None, whatever its type."""
    return all(value is not None for value in values)


def _text(text: str | None) -> str:
    return _MISSING if text is None else printable(text)


def _points(gain: float) -> str:
    """Return a gain in percentage points, with its sign."""
    return f"{gain:+{fixed(gain, 2)}} pp"


def _describe_step(step: Step) -> str:
    epoch = "" if step.epoch is None else f" {step.epoch}"
    if step.reason is None:
        return f"{_STAGES[step.stage]}{epoch}"
    initiator = f", by {printable(step.initiator)}" if step.initiator else ""
    return f"{_STAGES[step.stage]}{epoch} ({printable(step.reason)}{initiator})"


def _describe_rollback(event: Event[GovernorRollbackPayload]) -> str:
    rollback = event.payload
    panics, loss = rollback.consecutive_panics, rollback.loss_at_panic
    cause = rollback.reason.name if _are_known(rollback.reason) else _MISSING
    cause += f" after {pluralize(panics, 'panic')} in a row" if panics else ""
    cause += "" if loss is None else f", loss {loss:.4g}"
    snapshot = f"snapshot {rollback.snapshot_id} of step {rollback.to_step}"
    parts = [cause, f"back from step {rollback.from_step} to {snapshot}"]
    named = (
        ("skipped corrupt snapshots", tuple(map(str, rollback.corrupt_snapshots or ()))),
        ("pruned", rollback.pruned_slots),
        ("kept the fossils of", rollback.kept_fossils),
        ("removed the fossils of", rollback.removed_fossils),
    )
    parts += [f"{action} {printable(', '.join(names))}" for action, names in named if names]
    return "; ".join(parts)


def _headed(title: str, lines: list[Text]) -> list[Text]:
    """Return a title and the lines below it; an empty list if there are no lines."""
    return [Text(title, "bold"), *lines] if lines else []


def _hang(entries: list[_Entry], width: int) -> list[Text]:
    """Return the labels in one column and the texts, wrapped, in a second one."""
    indent = max((len(label) for label, _, _ in entries), default=0) + 2
    lines = []
    for label, text, style in entries:
        column = max(width - indent, _MIN_COLUMN)
        wrapped = textwrap.wrap(text, column, break_on_hyphens=False) or [""]
        first, *rest = [Text(line, style) for line in wrapped]
        lines.append(Text.assemble((f"{label:<{indent}}", "dim"), first))
        lines += [Text.assemble(" " * indent, line) for line in rest]
    return lines
