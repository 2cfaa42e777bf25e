"""The details of an event, of the governor, and of a run as a whole, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from rich.text import Text

from esper._generated.governor import (
    GovernorClearedPayload,
    GovernorPanicPayload,
    GovernorRollbackPayload,
    GovernorWatchedPayload,
)
from esper._generated.records import Provenance
from esper.karn.field_info import find_field
from esper.karn.log_problems import describe_telemetry
from esper.karn.story import RunStory
from esper.karn.watch.events import EventRow
from esper.karn.watch.governor_panel import (
    describe_probe,
    draw_action,
    draw_counts,
    newest_actions,
)
from esper.karn.watch.problems import describe_problems
from esper.karn.watch.source import RunState
from esper.karn.watch.texts import MISSING, NOT_LOGGED, show_bytes, show_number
from esper.leyline.text import pluralize, printable

_MAX_ENTRIES = 100
_MAX_TEXT = 300


def draw_event(row: EventRow) -> list[Text]:
    """Return an event: where it is in the log, and every field with its unit and description."""
    lines = [
        Text.assemble((row.event, "bold"), (f"  {row.level}", "dim")),
        _entry("time", f"{_show_time(row.t_wall_ns)} UTC"),
        _entry("epoch", MISSING if row.epoch is None else str(row.epoch)),
        _entry("in the log", f"rank {row.rank}, process {row.boot}, event {row.seq}"),
    ]
    if row.env_id is not None:
        lines.append(_entry("environment", str(row.env_id)))
    if row.slot_id is not None:
        lines.append(_entry("slot", printable(row.slot_id)))
    for name, value in row.values:
        info = find_field(row.event, name)
        unit = f" {info.unit}" if info is not None and info.unit not in (None, "1") else ""
        shown = f"{MISSING}  ({NOT_LOGGED}, or not measured)" if value == MISSING else value + unit
        lines.append(_entry(name, shown))
        if info is not None:
            lines.append(Text(f"    {info.doc}", "dim"))
    return lines


def draw_governor_detail(story: RunStory) -> list[Text]:
    """Return the panel of the governor, and each of its newest actions with its evidence."""
    actions = newest_actions(story)
    lines = [Text("governor", "bold"), *draw_counts(story), Text()]
    for event in actions:
        lines.append(draw_action(event, has_epochs=story.has_epochs))
        lines += [Text(f"       {text}", "dim") for text in _explain(event.payload)]
    return lines if actions else [*lines, Text("It has not had to act.")]


def draw_run(state: RunState) -> list[Text]:
    """Return where a run comes from, and the state of its log and its machine."""
    story = state.story
    lines = [
        Text(printable(state.folder.name), "bold"),
        _entry("folder", printable(str(state.folder), 4096)),
    ]
    if story is None:
        return [*lines, Text(state.problem or "no events yet")]
    lines += [_entry(name, value) for name, value in _facts(story)]
    lines += [
        _entry("tag", printable(name if note is None else f"{name}: {note}", _MAX_TEXT))
        for name, note in story.tags.items()
    ]
    lines += [
        Text(),
        Text("log", "bold"),
        *(Text(f"  {line}") for line in describe_telemetry(story)),
    ]
    lines += [Text(f"  {text}", "yellow") for text in describe_problems(story)]
    for missing in story.missing[:_MAX_ENTRIES]:
        lines.append(
            Text(
                f"  {printable(missing.name)}: not in {pluralize(missing.count, 'event')}", "yellow"
            )
        )
    lines += [Text(f"  {text}") for text in _describe_sinks(story)]
    lines += [Text(), Text("provenance", "bold")]
    if story.provenance is None:
        return [*lines, Text(f"  {NOT_LOGGED}", "dim")]
    return [*lines, *_provenance(story.provenance)]


def _explain(payload: object) -> Iterator[str]:
    """Yield why the governor acted, and what it did."""
    match payload:
        case GovernorPanicPayload():
            yield (
                f"loss {show_number(payload.loss)}, alarm above {show_number(payload.loss_threshold)},"
                f" {show_number(payload.statistic)} usual deviations, {show_number(payload.consecutive_panics)} in a row"
            )
            yield describe_probe(payload.evidence)
        case GovernorClearedPayload() | GovernorWatchedPayload():
            yield f"step {show_number(payload.step)}, loss {show_number(payload.loss)}"
            yield describe_probe(payload.evidence)
        case GovernorRollbackPayload():
            yield (
                f"from step {show_number(payload.from_step)} to {show_number(payload.to_step)}, snapshot"
                f" {show_number(payload.snapshot_id)}, loss {show_number(payload.loss_at_panic)}, attempt"
                f" {show_number(payload.attempt)}"
            )
            for label, names in (
                ("pruned", payload.pruned_slots),
                ("kept the fossils of", payload.kept_fossils),
                ("removed the fossils of", payload.removed_fossils),
            ):
                if names:
                    yield printable(f"{label} {', '.join(names)}", _MAX_TEXT)
            yield describe_probe(payload.evidence)
        case _:
            return


def _facts(story: RunStory) -> Iterator[tuple[str, str]]:
    started = story.started
    yield "task", NOT_LOGGED if started is None else printable(started.task or NOT_LOGGED)
    seed = None if started is None else started.seed
    yield "seed", NOT_LOGGED if seed is None else str(seed)
    yield "started", f"{_show_time(story.progress.first_event_ns)} UTC"
    yield "newest event", f"{_show_time(story.progress.last_event_ns)} UTC"
    yield "processes", ", ".join(
        f"rank {one.rank} {printable(one.boot, 20)}{' (resumed)' if one.continues else ''}"
        for one in story.writers[:8]
    )
    yield "resumed", pluralize(len(story.resumptions), "time")
    for event in story.system_newest[:8]:
        sample = event.payload
        yield "machine", (
            f"rank {event.rank}: cpu {show_number(sample.cpu_utilization, digits=3)} %, memory"
            f" {show_bytes(sample.memory_used_bytes)} of {show_bytes(sample.memory_total_bytes)},"
            f" disk free {show_bytes(sample.disk_free_bytes)}"
        )


def _describe_sinks(story: RunStory) -> Iterator[str]:
    for event in story.hubs[:8]:
        hub = event.payload
        yield f"rank {event.rank}: {show_number(hub.num_written)} written, {show_number(hub.num_lost)} lost"
    for sink in story.sinks[:8]:
        waiting = None if sink.stats is None else sink.stats.payload.waiting_bytes
        yield f"sink {printable(sink.sink)}: {show_bytes(waiting)} waiting, {pluralize(sink.num_failures, 'failure')}"


def _provenance(provenance: Provenance) -> Iterator[Text]:
    plain: dict[str, object] = {
        "git commit": provenance.git_commit,
        "changed files": provenance.is_git_dirty,
        "command": None if provenance.command is None else " ".join(provenance.command),
        "machine": provenance.host_name,
        "processor": provenance.processor,
        "GPUs": ", ".join(provenance.accelerators or ()) or "no GPU",
        "Python": provenance.python_version,
        "platform": provenance.platform,
    }
    for name, value in plain.items():
        yield _entry(name, NOT_LOGGED if value is None else printable(str(value), _MAX_TEXT))
    for title, values in (
        ("seed", provenance.seeds),
        ("data", provenance.data_hashes),
        ("config", provenance.config),
    ):
        yield from _entries(title, values)


def _entries(title: str, values: Mapping[str, str] | None) -> Iterator[Text]:
    values = values or {}
    for name, value in list(values.items())[:_MAX_ENTRIES]:
        yield _entry(title, printable(f"{name} = {value}", _MAX_TEXT))
    if len(values) > _MAX_ENTRIES:
        yield _entry(title, f"and {len(values) - _MAX_ENTRIES:,} more")


def _entry(name: str, value: str) -> Text:
    return Text.assemble((f"  {printable(name, 40):<14} ", "dim"), value)


def _show_time(t_wall_ns: int) -> str:
    try:
        return f"{datetime.fromtimestamp(t_wall_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        # A time beyond the calendar.
        return MISSING
