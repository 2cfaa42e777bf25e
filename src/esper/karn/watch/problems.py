"""The problems of a log in short: what is damaged, missing, unknown or lost in it."""

from __future__ import annotations

from collections.abc import Iterator

from esper.karn.story import RunStory
from esper.leyline.text import join_names, pluralize, printable

_MAX_NAME = 60


def describe_problems(story: RunStory) -> Iterator[str]:
    """Yield a short text for each kind of problem; a last line that is still being written is not one."""
    if story.num_damaged:
        yield pluralize(story.num_damaged, "damaged line")
    if story.num_gaps:
        yield pluralize(story.num_gaps, "gap")
    if story.rejected:
        yield f"{pluralize(story.counts.get('TELEMETRY_REJECTED', 0), 'event')} rejected"
    if story.torn and story.state != "running":
        yield pluralize(len(story.torn), "incomplete last line")
    if num_lost := sum(event.payload.num_lost or 0 for event in story.hubs):
        yield f"{pluralize(num_lost, 'event')} lost"
    if num_failures := sum(sink.num_failures for sink in story.sinks):
        yield pluralize(num_failures, "failure") + " of sinks"
    if story.missing:
        names = [printable(one.name, _MAX_NAME) for one in story.missing]
        yield f"missing: {join_names(names, max_names=3)}"
    if story.unknown:
        names = [printable(one.name, _MAX_NAME) for one in story.unknown]
        yield f"unknown: {join_names(names, max_names=3)}"
    if story.overlaps:
        yield "two processes of one rank wrote at the same time"
    if story.other_files:
        yield pluralize(len(story.other_files), "foreign file")
