"""Rules about the log itself: lost, damaged, rejected and missing parts, and sinks that fail or lag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from esper.karn.charts.rows import NOT_IN_LOG
from esper.karn.explain.finding import Finding, problem, refs
from esper.karn.explain.thresholds import THRESHOLDS as T
from esper.karn.story import RunStory, SinkStory
from esper.leyline.text import join_names, pluralize, printable

_MAX_NAMES = 5
_LINT = "See each place: esper lint-log RUN; threshold: one."


def judge_log(story: RunStory) -> Iterator[Finding]:
    """Yield what is wrong with the log; without it the other sentences may lack something."""
    yield from _judge_lines(story)
    yield from _judge_events(story)
    for sink in story.sinks:
        yield from _judge_sink(sink)


def _judge_lines(story: RunStory) -> Iterator[Finding]:
    if story.num_damaged:
        first = story.damaged[0]
        text = (
            f"{pluralize(story.num_damaged, 'damaged line')} of the log left out; the first:"
            f" {printable(first.path.name)}, line {first.line}: {printable(first.problem)}."
        )
        numbers = {"num_damaged": story.num_damaged, "line": first.line, "threshold": 1}
        yield from problem("damaged_lines", text, _LINT, numbers=numbers)
    if story.num_gaps:
        gap = story.gaps[0]
        text = (
            f"{pluralize(story.num_gaps, 'gap')} in the numbers of the events; the first: event {gap.got_seq} follows where"
            f" {gap.expected_seq} should, {printable(gap.path.name)}, line {gap.line}."
        )
        numbers = {"num_gaps": story.num_gaps, "expected_seq": gap.expected_seq, "threshold": 1}
        yield from problem("gaps", text, _LINT, numbers=numbers)
    if story.torn and story.state != "running":
        torn = story.torn[-1]
        text = (
            f"The last line of {printable(torn.path.name)} is incomplete ({pluralize(torn.num_bytes, 'byte')}): the process was"
            " killed, or the disk was full, while it wrote the event."
        )
        yield from problem(
            "torn_line",
            text,
            None,
            numbers={"num_torn": len(story.torn), "num_bytes": torn.num_bytes},
        )
    if story.overlaps:
        text = f"{pluralize(len(story.overlaps), 'pair')} of processes of one rank wrote at the same time."
        yield from problem(
            "overlap",
            text,
            "Give each process a rank or a run of its own; threshold: one.",
            numbers={"num_overlaps": len(story.overlaps), "threshold": 1},
        )


def _judge_events(story: RunStory) -> Iterator[Finding]:
    if story.rejected:
        newest = story.rejected[-1].payload
        field = "" if newest.field is None else f".{newest.field}"
        rule = NOT_IN_LOG if newest.rule is None else newest.rule
        count = story.counts.get("TELEMETRY_REJECTED", len(story.rejected))
        text = (
            f"{pluralize(count, 'event')} rejected by the contract; the newest:"
            f" {printable(f'{newest.event or NOT_IN_LOG}{field} {rule}')}."
        )
        yield from problem(
            "rejected_events",
            text,
            "Correct the values that the program reports; threshold: one.",
            numbers={"num_rejected": count, "threshold": 1},
            events=refs(*story.rejected),
        )
    lost = sum(event.payload.num_lost or 0 for event in story.hubs)
    if lost:
        yield from problem(
            "lost_events",
            f"{pluralize(lost, 'event')} lost before they reached the log.",
            "Look for a full or slow disk below the run folder; threshold: one.",
            numbers={"num_lost": lost, "threshold": 1},
            events=refs(*story.hubs),
        )
    if story.missing:
        names = [printable(one.name, 60) for one in story.missing]
        text = f"The log lacks {pluralize(len(names), 'field')}: {join_names(names, max_names=_MAX_NAMES)}; they are said to be missing here."
        numbers = {"num_fields": len(names), "num_events": sum(one.count for one in story.missing)}
        yield from problem("missing_fields", text, None, numbers=numbers)
    if story.unknown:
        names = [printable(one.name, 60) for one in story.unknown]
        text = (
            f"A later version of the contract wrote {pluralize(len(names), 'name')} that this version does not know:"
            f" {join_names(names, max_names=_MAX_NAMES)}."
        )
        yield from problem(
            "unknown_names",
            text,
            "Read the run with the version of Esper that wrote it; threshold: one.",
            numbers={"num_names": len(names), "threshold": 1},
        )


def _judge_sink(sink: SinkStory) -> Iterator[Finding]:
    name = printable(sink.sink, 48)
    failure, stats = sink.failure, sink.stats
    # A sink that has written after its newest failure has recovered.
    if failure is not None and (stats is None or stats.t_wall_ns <= failure.t_wall_ns):
        values: Any = failure.payload
        yield from problem(
            "sink_failed",
            f"The sink {name} fails, {pluralize(sink.num_failures, 'time')} so far; the newest:"
            f" {printable(values.message or NOT_IN_LOG)}.",
            "Remove the cause, then carry the rest of the log: esper ship RUN; threshold: a failure after which it wrote nothing.",
            numbers={
                "num_failures": sink.num_failures,
                "failures_in_a_row": values.failures_in_a_row,
                "threshold": 1,
            },
            events=refs(failure, stats),
        )
    lag = None if stats is None else stats.payload.lag_s
    if stats is not None and lag is not None and lag > T.sink_lag_s:
        yield from problem(
            "sink_lags",
            f"The sink {name} is {lag:.0f} s late.",
            f"Send fewer events to it (select them in the settings of the sink); threshold: {T.sink_lag_s:g} s.",
            numbers={
                "lag_s": lag,
                "waiting_bytes": stats.payload.waiting_bytes,
                "threshold": T.sink_lag_s,
            },
            events=refs(stats),
        )
