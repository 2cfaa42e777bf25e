"""The parts of a report, as plain printable texts, so that page and Markdown say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from esper._generated.enums import SeedStage
from esper._generated.records import Provenance
from esper.karn.charts.groups import configuration
from esper.karn.charts.rows import MAX_NAME, NOT_IN_LOG, slots_of
from esper.karn.log_problems import describe_telemetry
from esper.karn.report.governor_sentences import describe_governor
from esper.karn.report.sentences import (
    describe_extent,
    describe_gate,
    describe_result,
    describe_seed,
    outcome_of,
    show,
    show_text,
)
from esper.karn.seed_story import SeedStory
from esper.karn.story import RunStory
from esper.leyline.text import join_names, pluralize, printable

Table = tuple[tuple[str, ...], ...]
"""Rows of texts."""

MAX_SEEDS: Final = 100
"""Seeds of a run whose story is told; of more, the first and the last."""
MAX_GATES: Final = 40
_MAX_SETTINGS = 200
_MAX_VALUE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A headline number."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSection:
    """The story of one seed."""

    slot: str
    title: str
    verdict: str
    tone: str
    """`good`, `bad` or `open`."""
    sentences: tuple[str, ...]
    gates: Table
    """Epoch, gate, result, failed checks, reason."""
    num_gates_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSection:
    """Everything that a report says about one run."""

    title: str
    run_id: str
    outcome: str
    tone: str
    """`good`, `warning` or `bad`."""
    sentences: tuple[str, ...]
    facts: tuple[Fact, ...]
    warnings: tuple[str, ...]
    seeds: tuple[SeedSection, ...]
    num_seeds_left_out: int
    governor: Table
    """Place, kind and sentence of each action."""
    settings: Table
    provenance: Table
    telemetry: tuple[str, ...]


def make_section(story: RunStory) -> RunSection:
    """Return the section on a run."""
    outcome, tone = outcome_of(story)
    seeds = [(row.label, seed) for row in slots_of((story,)) for seed in row.slot.seeds]
    shown = (
        seeds if len(seeds) <= MAX_SEEDS else [*seeds[: MAX_SEEDS // 2], *seeds[-MAX_SEEDS // 2 :]]
    )
    telemetry, *problems = describe_telemetry(story)
    return RunSection(
        title=_title(story),
        run_id=printable(story.run_id),
        outcome=outcome,
        tone=tone,
        sentences=tuple(describe_result(story)),
        facts=tuple(_facts(story)),
        warnings=tuple(_warnings(story, problems)),
        seeds=tuple(_seed_section(label, seed) for label, seed in shown),
        num_seeds_left_out=len(seeds) - len(shown),
        governor=tuple(describe_governor(story)),
        settings=tuple(_settings(story)),
        provenance=tuple(_provenance(story)),
        telemetry=tuple(_telemetry(story, telemetry)),
    )


def _title(story: RunStory) -> str:
    started = story.started
    if started is None:
        return printable(story.run_id, MAX_NAME)
    seed = "" if started.seed is None else f", seed {started.seed}"
    return f"{show_text(started.task, MAX_NAME)}{seed}"


def _facts(story: RunStory) -> Iterator[Fact]:
    on_test = story.test_accuracy is not None
    grown, host = story.quality, story.host_quality
    alone = f"host alone {NOT_IN_LOG}" if host is None else f"host alone {host:.2f} %"
    name = f"{'test' if on_test else 'validation'} {printable(story.metric, MAX_NAME)}"
    newest = story.metrics.newest
    if grown is None and newest:
        # A training loop of the user's own has metrics of its own.
        metric = next((one for one in newest if "loss" in one), next(iter(newest)))
        step = story.metrics.last_step
        note = "newest value" if step is None else f"at step {step:,}"
        yield Fact(label=printable(metric, MAX_NAME), value=f"{newest[metric]:.4g}", note=note)
    else:
        yield Fact(label=name, value=show(grown, ".2f", " %"), note=alone)
    added = f"{story.params_added:+,} by growing" if story.params_added else ""
    yield Fact(label="parameters", value=show(story.num_params, ",d"), note=added)
    if story.num_updates is not None and story.num_flops is not None:
        updates = f"{story.num_updates:,} parameter updates"
        yield Fact(label="FLOPs", value=f"{story.num_flops:.3g}", note=updates)
    planned = "" if story.epochs_planned is None else f"of {story.epochs_planned:,} planned"
    if describe_extent(story).startswith("step"):
        newest_step = show(story.metrics.last_step, ",d")
        yield Fact(label="newest step", value=newest_step, note="no epochs were reported")
    else:
        yield Fact(label="epochs", value=f"{story.epochs_completed:,}", note=planned)
    seconds = story.progress.seconds if story.finished is None else story.finished.duration_s
    yield Fact(label="time", value=_duration(seconds), note=_start_time(story))
    kept, pruned = story.count_seeds(SeedStage.FOSSILIZED), story.count_seeds(SeedStage.PRUNED)
    num_seeds = sum(slot.num_seeds for slot in story.slots)
    yield Fact(label="seeds", value=f"{num_seeds:,}", note=f"{kept} kept, {pruned} pruned")
    yield Fact(
        label="rollbacks",
        value=f"{story.num_rollbacks:,}",
        note=f"{pluralize(story.num_snapshots, 'snapshot')}, {story.num_cleared} cleared",
    )


def _count(number: int | None, noun: str) -> str:
    return f"{noun}s {NOT_IN_LOG}" if number is None else pluralize(number, noun)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return NOT_IN_LOG
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _start_time(story: RunStory) -> str:
    first = story.progress.first_event_ns
    if not 0 < first < 1 << 62:
        return ""
    return f"from {datetime.fromtimestamp(first / 1e9, UTC):%Y-%m-%d %H:%M} UTC"


def _warnings(story: RunStory, problems: Sequence[str]) -> Iterator[str]:
    finished = story.finished
    if finished is None and not story.progress.is_alive:
        yield "The log has no end of the run: it was killed, or its last events are lost."
    elif finished is not None and finished.error_type is not None:
        yield story_error(story)
    if story.stopped is not None:
        yield f"The governor stopped the run: {show_text(story.stopped.payload.message)}"
    yield from problems
    for hub in story.hubs:
        lost, rejected = hub.payload.num_lost, hub.payload.num_rejected
        if lost:
            yield f"{pluralize(lost, 'event')} lost by the process of rank {hub.rank}: the disk had no room, or a file was removed."
        if rejected and not story.rejected:
            yield f"{pluralize(rejected, 'event')} rejected by the contract in the process of rank {hub.rank}."
    if story.missing:
        names = [f"{printable(one.name, MAX_NAME)} ({one.count:,})" for one in story.missing]
        yield f"Fields that the log lacks: {join_names(names, max_names=12)}."


def story_error(story: RunStory) -> str:
    """Return the exception that ended a run."""
    finished = story.finished
    if finished is None or finished.error_type is None:
        return ""
    message = "" if finished.error_message is None else f": {printable(finished.error_message)}"
    place = "" if finished.error_place is None else f", at {printable(finished.error_place)}"
    return f"{printable(finished.error_type)}{message}{place}"


def _seed_section(label: str, seed: SeedStory) -> SeedSection:
    verdict, tone = "not decided", "open"
    if seed.has_been(SeedStage.FOSSILIZED):
        verdict, tone = "kept", "good"
    elif seed.has_been(SeedStage.PRUNED):
        verdict, tone = "pruned", "bad"
    size = NOT_IN_LOG if seed.num_params is None else pluralize(seed.num_params, "parameter")
    gates = [describe_gate(gate) for gate in seed.gates]
    shown = (
        gates if len(gates) <= MAX_GATES else [*gates[: MAX_GATES // 2], *gates[-MAX_GATES // 2 :]]
    )
    return SeedSection(
        slot=label,
        title=f"Seed {seed.number}, {show_text(seed.blueprint_id, MAX_NAME)} ({size})",
        verdict=verdict,
        tone=tone,
        sentences=tuple(describe_seed(seed)),
        gates=tuple(shown),
        num_gates_left_out=seed.num_gates - len(shown),
    )


def _settings(story: RunStory) -> Iterator[tuple[str, str]]:
    config = configuration(story)
    for name in list(config)[:_MAX_SETTINGS]:
        yield printable(name, MAX_NAME), printable(config[name], _MAX_VALUE)
    if len(config) > _MAX_SETTINGS:
        yield "...", f"{len(config) - _MAX_SETTINGS:,} more"


def _provenance(story: RunStory) -> Iterator[tuple[str, str]]:
    started = story.started
    if started is not None:
        yield "Esper", show_text(started.esper_version)
        yield "PyTorch", show_text(started.torch_version)
        yield "device", show_text(started.device)
    known: Provenance | None = story.provenance
    if known is None:
        yield "program and machine", NOT_IN_LOG
    else:
        dirty = {True: " with changes", False: "", None: ""}[known.is_git_dirty]
        yield "Git commit", f"{show_text(known.git_commit)}{dirty}"
        yield "command", show_text(" ".join(known.command or ()) or None, _MAX_VALUE)
        yield "Python", show_text(known.python_version)
        yield "platform", show_text(known.platform)
        yield "processor", f"{show_text(known.processor)}, {_count(known.num_cpus, 'core')}, {_count(known.num_threads, 'thread')}"
        yield "GPUs", show_text(", ".join(known.accelerators or ()) or "no GPU")
        yield "host name", show_text(known.host_name)
        for name, value in list((known.seeds or {}).items())[:16]:
            yield f"seed of {printable(name, MAX_NAME)}", printable(value)
        for name, value in list((known.data_hashes or {}).items())[:16]:
            yield f"data {printable(name, MAX_NAME)}", printable(value)
    yield "folder", printable(str(story.folder), 4096)
    for name, note in list(story.tags.items())[:16]:
        yield f"tag {printable(name, MAX_NAME)}", "" if note is None else printable(note)


def _telemetry(story: RunStory, first: str) -> Iterator[str]:
    yield f"{first} of {pluralize(len(story.counts), 'kind')} by {pluralize(len(story.writers), 'process')[:-1] + 'es' if len(story.writers) != 1 else '1 process'}"
    for sink in story.sinks:
        state = (
            "failed"
            if sink.failure is not None
            else (
                "no counts yet"
                if sink.stats is None
                else f"{show(sink.stats.payload.num_written, ',d')} events committed"
            )
        )
        yield f"sink {printable(sink.sink, MAX_NAME)}: {state}"
