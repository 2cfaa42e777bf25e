"""Describes the log of a run for its summary: how many events it has, and what is missing, damaged or unknown in it."""

from collections.abc import Iterator, Sequence
from typing import Final

from esper._generated.registry import VERSION
from esper.karn.log_story import UnknownInLog
from esper.karn.story import RunStory
from esper.leyline.text import join_names, pluralize, printable

MAX_LISTED: Final = 5
"""Problems of a kind that are listed; of more only the number is given."""


def describe_telemetry(story: RunStory) -> Iterator[str]:
    """Yield the number of events, then a line for each problem with the log."""
    yield pluralize(story.num_events, "event")
    if story.rejected:
        num_rejected = story.counts.get("TELEMETRY_REJECTED", 0)
        yield f"{pluralize(num_rejected, 'event')} rejected by the contract:"
    for event in story.rejected[:MAX_LISTED]:
        rejected = event.payload
        field = "" if rejected.field is None else f".{rejected.field}"
        yield printable(f"{rejected.event}{field} {rejected.rule}, got {rejected.got}")
    for torn in story.torn[:MAX_LISTED]:
        size = pluralize(torn.num_bytes, "byte")
        yield f"incomplete last line left out: {torn.path.name}:{torn.line}, {size}"
    if story.num_damaged:
        yield f"{pluralize(story.num_damaged, 'damaged line')} left out:"
    for damaged in story.damaged[:MAX_LISTED]:
        yield f"{printable(damaged.path.name)}:{damaged.line}: {printable(damaged.problem)}"
    yield from _count_more(story.num_damaged, "more damaged line")
    for gap in story.gaps[:MAX_LISTED]:
        place = f"{gap.path.name}:{gap.line}"
        yield f"gap: event {gap.got_seq} instead of {gap.expected_seq}: {place}"
    yield from _count_more(story.num_gaps, "more gap")
    if story.unknown:
        yield describe_unknown(story.unknown)
    if story.missing:
        names = [printable(one.name) for one in story.missing]
        listed = join_names(names, max_names=2 * MAX_LISTED)
        yield f"{pluralize(len(names), 'field')} that the log lacks: {listed}"
    if story.num_set_aside:
        yield f"{pluralize(story.num_set_aside, 'event')} left out because of unknown names"
    for overlap in story.overlaps[:MAX_LISTED]:
        files = f"{overlap.first.name} and {overlap.second.name}"
        yield f"two writers of rank {overlap.rank} at the same time: {files}; all events are read"
    yield from _count_more(len(story.overlaps), "more pair")
    if story.other_files:
        names = [printable(path.name) for path in story.other_files]
        yield f"files that Esper did not write: {join_names(names, max_names=MAX_LISTED)}"
    if story.num_superseded:
        yield f"{pluralize(story.num_superseded, 'event')} superseded when the run was resumed"


def describe_unknown(names: Sequence[UnknownInLog]) -> str:
    """Return a line on the names that a later minor version has added: `2 fields, 1 event unknown to contract ...`."""
    kinds = (
        ("field", "field"),
        ("event", "event"),
        ("member", "enum member"),
        ("value", "wider field"),
    )
    counts = [(sum(one.kind == kind for one in names), noun) for kind, noun in kinds]
    numbers = ", ".join(pluralize(number, noun) for number, noun in counts if number)
    listed = join_names([printable(one.name) for one in names], max_names=2 * MAX_LISTED)
    return f"{numbers} unknown to contract {VERSION}: {listed}"


def _count_more(number: int, noun: str) -> Iterator[str]:
    """Yield how many more there are than are listed."""
    if number > MAX_LISTED:
        yield f"and {pluralize(number - MAX_LISTED, noun)}"
