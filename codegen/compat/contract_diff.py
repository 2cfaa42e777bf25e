"""The difference of two contracts: which events, fields and enums they share, and which only one of them has."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

from ..contract.model import (
    Contract,
    Enum,
    EnumType,
    Event,
    FromSource,
    Record,
    RecordType,
    Value,
)
from ..contract.promises import Step
from ..contract.versions import Bump, parse_version
from ..contract.wire_paths import brackets, join_path, walk_leaves, walk_records
from ..diagnostics.findings import Span
from .modes import MODES, CompatibilityMode, mode_of, strictest_of
from .pairs import EnumPair, EnumPlace, EventPair, Move, Owner, OwnerPair, find_old_name
from .readings import Holder, Reading, read_envelope, read_event
from .rewriting import has_path, rewrite
from .upcast_chain import UpcastChain
from .value_sets import accepted_slots

Class = TypeVar("Class", Enum, Record)


class ContractDiff:
    """An old and a new contract, with their parts paired."""

    def __init__(self, old: Contract, new: Contract) -> None:
        self.old = old
        self.new = new
        self.upcasts = UpcastChain(old.version, new.upcasts)

    @property
    def bump(self) -> Bump:
        """The step from the old version to the new one."""
        return parse_version(self.new.version).bump_from(parse_version(self.old.version))

    def span_of(self, section: str) -> Span:
        """Return the place of a section of the new contract, or of the whole contract when it lacks that section."""
        return self.new.spans.get(section, self.new.span)

    @cached_property
    def event_pairs(self) -> tuple[EventPair, ...]:
        """The events that both contracts have, renamed ones included."""
        return tuple(self._pair_events())

    @cached_property
    def removed_events(self) -> tuple[Event, ...]:
        """The events that only the old contract has."""
        kept = {pair.old.name for pair in self.event_pairs}
        return tuple(event for event in self.old.events if event.name not in kept)

    @cached_property
    def added_events(self) -> tuple[Event, ...]:
        """The events that only the new contract has."""
        kept = {pair.new.name for pair in self.event_pairs}
        return tuple(event for event in self.new.events if event.name not in kept)

    @cached_property
    def enum_pairs(self) -> tuple[EnumPair, ...]:
        """The enums that both contracts have, renamed ones included."""
        return tuple(
            EnumPair(self.upcasts, old, new, self.mode_of_enum(old), self._places_of(old, new))
            for old, new in _pair_classes(self.old.enums, self.new.enums)
        )

    @cached_property
    def class_pairs(self) -> tuple[tuple[Enum | Record, Enum | Record], ...]:
        """The enums and records that both contracts have, renamed ones included."""
        return (
            *_pair_classes(self.old.enums, self.new.enums),
            *_pair_classes(self.old.records, self.new.records),
        )

    @cached_property
    def owners(self) -> tuple[OwnerPair, ...]:
        """All owners of fields that both contracts have: envelope, context, records and events."""
        return (*self._pair_envelopes(), *self.record_pairs.values(), *self.event_owners.values())

    @cached_property
    def event_owners(self) -> dict[str, OwnerPair]:
        """The events that both contracts have, as owners of fields, by old name."""
        return {pair.old.name: self._make_event_owner(pair) for pair in self.event_pairs}

    @cached_property
    def record_pairs(self) -> dict[str, OwnerPair]:
        """The records that both contracts have, by old name."""
        pairs = _pair_classes(self.old.records, self.new.records)
        return {old.name: self._pair_records(old, new) for old, new in pairs}

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """What readers refuse: of the envelope, of shared events, and of events whose upcasts make others of them."""
        return (
            self.envelope_reading,
            *(pair.reading for pair in self.event_pairs),
            *self._merged(),
        )

    @cached_property
    def envelope_reading(self) -> Reading:
        """What readers refuse of the envelope."""
        return read_envelope(self.old.envelope.fields, self.new.envelope.fields)

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """The values that have another parent in the new contract."""
        return tuple(move for pair in self.event_pairs for move in self._find_moves(pair))

    @property
    def strictest_mode(self) -> CompatibilityMode:
        """The strictest mode of any event."""
        return strictest_of([pair.mode for pair in self.event_pairs])

    def mode_of_enum(self, enum: Enum) -> CompatibilityMode:
        """Return the strictest mode of all events that use an enum."""
        modes = [pair.mode for pair in self.event_pairs if _contains(pair.old.fields, enum)]
        if _contains(self.old.envelope.fields, enum):
            modes.append(MODES["stable"])
        for record in self.old.records:
            if _contains(record.fields, enum):
                modes.append(MODES[record.stability].without_wire())
        return strictest_of(modes)

    def _pair_events(self) -> Iterator[EventPair]:
        old = {event.name: event for event in self.old.events}
        new = {event.name for event in self.new.events}
        becomes = {name: self.upcasts.name_of(name) for name in old}
        for event in self.new.events:
            # A name that upcasts give to another event is not that of the old event any more.
            same = {name for name in old if becomes[name] in (name, event.name)}
            name = find_old_name(event, same, new)
            if name is None:
                found = (one for one in old if becomes[one] == event.name and one not in new)
                name = next(found, None)
            if name is not None:
                reading = read_event(old[name], event, self.upcasts)
                yield EventPair(old[name], event, mode_of(old[name], self.old), reading)

    def vain_steps(self) -> Iterator[tuple[str, str, Step]]:
        """Yield the steps that take a value from where no old record has one: the event, the path and the step."""
        for event in self.old.events:
            slots = accepted_slots(event.fields)
            for stage in self.upcasts.stages(event.name):
                for step in stage.steps:
                    source = step.move or step.convert
                    if source is not None and not has_path(slots, source):
                        yield event.name, source, step
                slots = rewrite(slots, stage.steps)

    def _merged(self) -> Iterator[Reading]:
        new = {event.name: event for event in self.new.events}
        for event in self.removed_events:
            becomes = self.upcasts.name_of(event.name)
            if becomes in new:
                reading = read_event(event, new[becomes], self.upcasts)
                yield replace(reading, unconverted=frozenset(), forward=frozenset())

    def _make_event_owner(self, pair: EventPair) -> OwnerPair:
        return OwnerPair(
            upcasts=self.upcasts,
            subject=pair.new.name,
            old=Owner(pair.old.fields, pair.old.reserved, pair.old.span, pair.old.stability),
            new=Owner(pair.new.fields, pair.new.reserved, pair.new.span, pair.new.stability),
            mode=pair.mode,
            holders=(Holder(pair.reading, "", ""),),
            is_revised=pair.is_revised,
            is_emitted=pair.old.retired is None and pair.new.retired is None,
            attributes=self._attributes_of(pair.old.source),
        )

    def _attributes_of(self, source: str | None) -> frozenset[str]:
        """Return all attributes that events of the old contract read from a source."""
        names: set[str | None] = set()
        for event in self.old.events:
            for one in event.fields if event.source == source else ():
                if isinstance(one.capture, FromSource):
                    names |= {one.capture.attribute, one.capture.guard}
        return frozenset(name for name in names if name is not None)

    def _pair_records(self, old: Record, new: Record) -> OwnerPair:
        modes = [MODES[old.stability].without_wire()]
        holders: list[Holder] = []
        for pair in self.event_pairs:
            before = {path for path, one in walk_records(pair.old.fields) if one.name == old.name}
            after = {path for path, one in walk_records(pair.new.fields) if one.name == new.name}
            modes += [pair.mode] if before | after else []
            for path in sorted(before | after):
                old_path = path if path in before else None
                new_path = path if path in after else None
                holders.append(Holder(pair.reading, old_path, new_path, pair.mode.protected))
        return OwnerPair(
            upcasts=self.upcasts,
            subject=new.name,
            old=Owner(old.fields, old.reserved, old.span, old.stability),
            new=Owner(new.fields, new.reserved, new.span, new.stability),
            mode=strictest_of(modes),
            holders=tuple(holders),
        )

    def _pair_envelopes(self) -> Iterator[OwnerPair]:
        old, new = self.old.envelope, self.new.envelope
        yield OwnerPair(
            upcasts=self.upcasts,
            subject="envelope",
            old=Owner(old.fields, (), old.span),
            new=Owner(new.fields, (), new.span),
            mode=MODES["stable"],
            holders=(Holder(self.envelope_reading, "", ""),),
        )
        yield OwnerPair(
            upcasts=self.upcasts,
            subject="context",
            old=Owner(self.old.context, (), self.old.span),
            new=Owner(self.new.context, (), self.new.span),
            mode=MODES["stable"].without_wire(),
        )

    def _places_of(self, old: Enum, new: Enum) -> tuple[EnumPlace, ...]:
        places = []
        # A member must stay readable whatever was promised, so the promise of the event does not count here.
        owners = [(self.envelope_reading, self.old.envelope.fields, self.new.envelope.fields)]
        owners += [(one.reading, one.old.fields, one.new.fields) for one in self.event_pairs]
        for reading, before, after in owners:
            for path in _paths_of(old, before):
                places.append(EnumPlace(Holder(reading, "", None), path, None))
            for path in _paths_of(new, after):
                places.append(EnumPlace(Holder(reading, None, ""), None, path))
        return tuple(places)

    def _find_moves(self, pair: EventPair) -> Iterator[Move]:
        old = dict(self._walk_translated(self.event_owners[pair.old.name], ""))
        new = dict(walk_leaves(pair.new.fields))
        free = {path: value for path, value in new.items() if path not in old}
        for path, value in old.items():
            key = path.rpartition(".")[2]
            for other in free if path not in new else ():
                is_same = str(free[other].type) == str(value.type)
                if is_same and other.rpartition(".")[2] == key:
                    yield Move(pair, path, other, free[other])
                    break

    def _walk_translated(self, owner: OwnerPair, prefix: str) -> Iterator[tuple[str, Value]]:
        """Yield the values of the old payload by path, where renamed fields have their new names."""
        names = {pair.old.name: pair.new.wire for pair in owner.matched}
        for value in owner.old.fields:
            path = join_path(prefix, names.get(value.name, value.wire))
            inner = value.innermost
            if not isinstance(inner, RecordType):
                yield path, value
            elif inner.record.name in self.record_pairs:
                record = self.record_pairs[inner.record.name]
                yield from self._walk_translated(record, path + brackets(value.type))
            else:
                yield from walk_leaves(inner.record.fields, path + brackets(value.type))


def _contains(fields: Iterable[Value], enum: Enum) -> bool:
    return any(True for _ in _paths_of(enum, fields))


def _paths_of(enum: Enum, fields: Iterable[Value]) -> Iterator[str]:
    for path, value in walk_leaves(fields):
        if isinstance(value.innermost, EnumType) and value.innermost.enum.name == enum.name:
            yield path


def _pair_classes(old: Iterable[Class], new: Iterable[Class]) -> tuple[tuple[Class, Class], ...]:
    """Pair enums or records of the same name, and renamed ones."""
    before = {one.name: one for one in old}
    after = {one.name: one for one in new}
    names = {one.name: find_old_name(one, before, after) for one in after.values()}
    return tuple(
        (before[name], after[new_name]) for new_name, name in names.items() if name is not None
    )
