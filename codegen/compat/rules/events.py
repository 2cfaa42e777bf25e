"""Rules about events: removed, added or renamed ones, and changes of cadence, classes and emission helper."""

from collections.abc import Iterator
from typing import Literal

from ...contract.model import Event
from ..contract_diff import ContractDiff
from ..impact import NO_IMPACT, WIRE_AND_SOURCE, Impact
from ..modes import mode_of
from ..pairs import EventPair
from ..reading import Problem
from ..readings import Claim
from ..rule import Change, RequiredUpcast, Rule

_MIN_SIMILARITY = 0.7
"""Share of common fields above which an added event is probably a renamed one."""


def _find_removed(diff: ContractDiff) -> Iterator[Change]:
    renamed = {old.name for old, _ in _find_likely_renames(diff)}
    retired = {one.name: one for one in diff.new.retired}
    names = {event.name for event in diff.new.events}
    for event in diff.removed_events:
        if event.name in renamed:
            continue
        becomes = diff.upcasts.name_of(event.name)
        is_announced = event.deprecated is not None and event.name in retired
        yield Change(
            subject=event.name,
            span=retired[event.name].span if event.name in retired else diff.span_of("events"),
            description="the event is removed",
            mode=mode_of(event, diff.old),
            resolved=(Impact.SOURCE if is_announced else NO_IMPACT)
            | (Impact.WIRE_B if becomes in names else NO_IMPACT),
            claims=frozenset() if becomes in names else _claim(event, "old"),
            required_upcasts=tuple(_require_target(event, diff, becomes)),
        )


def _require_target(event: Event, diff: ContractDiff, becomes: str) -> Iterator[RequiredUpcast]:
    """Yield the step that turns records of a removed event into another one, as an example the most similar one."""
    fields = {one.wire for one in event.fields}
    others = list(diff.new.events)
    if others:
        nearest = max(others, key=lambda one: len(fields & {field.wire for field in one.fields}))
        yield RequiredUpcast(event.name, f"becomes: {nearest.name}", becomes != event.name)


def _find_undeclared_renames(diff: ContractDiff) -> Iterator[Change]:
    for old, new in _find_likely_renames(diff):
        yield Change(
            subject=new.name,
            span=new.span,
            description=f"looks like {old.name}, which is removed; say renamed_from: {old.name}",
            mode=mode_of(old, diff.old),
            claims=_claim(old, "old"),
        )


def _find_renamed(diff: ContractDiff) -> Iterator[Change]:
    for pair in diff.event_pairs:
        if pair.old.name == pair.new.name:
            continue
        is_present = diff.upcasts.name_of(pair.old.name) == pair.new.name
        is_emitted = pair.old.retired is None
        yield Change(
            subject=pair.new.name,
            span=pair.new.at("renamed_from"),
            description=f"{pair.old.name} -> {pair.new.name}",
            mode=pair.mode,
            impact=WIRE_AND_SOURCE if is_emitted else Impact.WIRE_B | Impact.WIRE_F,
            resolved=Impact.WIRE_B if is_present else NO_IMPACT,
            claims=_claim(pair.old, "new")
            | (frozenset() if is_present else _claim(pair.old, "old")),
            required_upcasts=(
                RequiredUpcast(pair.old.name, f"becomes: {pair.new.name}", is_present),
            ),
        )


def _find_added(diff: ContractDiff) -> Iterator[Change]:
    renamed = {new.name for _, new in _find_likely_renames(diff)}
    for event in diff.added_events:
        if event.name not in renamed:
            yield Change(
                subject=event.name,
                span=event.span,
                description="a new event",
                mode=mode_of(event, diff.new),
            )


def _claim(event: Event, records: Literal["old", "new"]) -> frozenset[Claim]:
    """Return the claim that readers do not know an event any more, or not yet."""
    return frozenset([(event.name, records, Problem("", "event"))])


def _find_likely_renames(diff: ContractDiff) -> Iterator[tuple[Event, Event]]:
    """Pair removed events that are not declared as retired with the added events that have most of their fields."""
    retired = {one.name for one in diff.new.retired}
    for old in diff.removed_events:
        similarity = {new.name: _compare(old, new) for new in diff.added_events}
        best = max(diff.added_events, key=lambda new: similarity[new.name], default=None)
        if best and similarity[best.name] >= _MIN_SIMILARITY and old.name not in retired:
            yield old, best


def _compare(old: Event, new: Event) -> float:
    """Return the share of fields that two events have in common."""
    fields = [{(one.wire, str(one.type)) for one in event.fields} for event in (old, new)]
    return len(fields[0] & fields[1]) / max(1, *(len(one) for one in fields))


def _find_cadence(pair: EventPair) -> Iterator[Change]:
    if pair.old.cadence != pair.new.cadence:
        description = f"{pair.old.cadence or 'not given'} -> {pair.new.cadence or 'not given'}"
        yield pair.make_change("cadence", description)


def _find_classes(pair: EventPair) -> Iterator[Change]:
    for key, old, new in (
        ("payload", pair.old.payload, pair.new.payload),
        ("family", pair.old.family, pair.new.family),
        ("source", pair.old.source, pair.new.source),
    ):
        if old != new:
            yield pair.make_change(key, f"{key}: {old or 'not given'} -> {new or 'not given'}")


def _find_retired(pair: EventPair) -> Iterator[Change]:
    if pair.new.retired and not pair.old.retired:
        resolved = Impact.SOURCE if pair.old.deprecated else NO_IMPACT
        yield pair.make_change("retired", "it can no longer be emitted", resolved=resolved)


DIFF_RULES: tuple[Rule[ContractDiff], ...] = (
    Rule(
        id="EVT001",
        name="EVENT_REMOVED",
        find=_find_removed,
        impact=Impact.WIRE_B | Impact.SOURCE,
        why="records of it in old logs could no longer be read",
        remedies=(
            "deprecate it for a release, then say retired: with a version: it stays readable, and"
            " its emission helper is removed",
            "deprecate it for a release, move its name to the section retired, and add an upcast"
            " that turns its records into another event",
        ),
        resolved_by_upcast=Impact.WIRE_B,
    ),
    Rule(
        id="EVT002",
        name="EVENT_RENAMED_UNDECLARED",
        find=_find_undeclared_renames,
        impact=Impact.WIRE_B | Impact.SOURCE,
        why="whether an event is new or an old one under a new name cannot be inferred",
        remedies=(
            "say renamed_from: in the new event",
            "put the old name into the section retired if it is another event",
        ),
    ),
    Rule(
        id="EVT003",
        name="EVENT_RENAMED",
        find=_find_renamed,
        impact=WIRE_AND_SOURCE,
        why="old readers do not know the new name, and callers use the old helper",
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.WIRE_F | Impact.SOURCE,
    ),
    Rule(
        id="EVT010",
        name="EVENT_ADDED",
        find=_find_added,
        why="old readers skip events that they do not know",
        bump="minor",
    ),
)
"""Rules about the events that only one of two contracts has, and about renamed ones."""

PAIR_RULES: tuple[Rule[EventPair], ...] = (
    Rule(
        id="EVT006",
        name="EVENT_CADENCE_CHANGED",
        find=_find_cadence,
        impact=Impact.SEM,
        why="counts, sums and rates over the event mean something else",
        remedies=("keep the cadence, and add an event with another name",),
    ),
    Rule(
        id="EVT009",
        name="EVENT_CLASS_CHANGED",
        find=_find_classes,
        impact=Impact.SOURCE,
        why="callers have to import the class or the helper from another module or by another name",
        resolved_by_major=Impact.SOURCE,
    ),
    Rule(
        id="EVT011",
        name="EVENT_RETIRED",
        find=_find_retired,
        impact=Impact.SOURCE,
        why="its emission helper is removed",
        remedies=("deprecate it for a release first",),
    ),
)
"""Rules about an event that both contracts have."""
