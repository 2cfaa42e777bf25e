"""Two contracts side by side: what became of every event, owner of fields and enum."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

from ..contract.model import Contract, Enum, EnumType, Event, Record, RecordType, Value
from ..contract.versions import Bump, parse_version
from ..contract.wire_paths import brackets, join_path, walk_leaves, walk_records
from ..diagnostics.findings import Span
from .impact import WIRE
from .modes import MODES, Mode, mode_of
from .owners import Owner, OwnerPair, find_old_name
from .pairs import EnumPair, EventPair, Move
from .steps import Place, Steps


class Scene:
    """An old contract and a new one."""

    def __init__(self, old: Contract, new: Contract) -> None:
        self.old = old
        self.new = new
        self.steps = Steps(old.version, new.upcasts)

    @property
    def bump(self) -> Bump:
        """How much newer the new contract says it is."""
        return parse_version(self.new.version).bump_from(parse_version(self.old.version))

    def at(self, section: str) -> Span:
        """Return the place of a section of the new contract."""
        return self.new.spans.get(section, self.new.span)

    @cached_property
    def event_pairs(self) -> tuple[EventPair, ...]:
        """The events that both contracts have, under whatever name."""
        return tuple(self._pair_events())

    @cached_property
    def gone(self) -> tuple[Event, ...]:
        """The events that the new contract lacks."""
        kept = {pair.old.name for pair in self.event_pairs}
        return tuple(event for event in self.old.events if event.name not in kept)

    @cached_property
    def come(self) -> tuple[Event, ...]:
        """The events that the old contract lacks."""
        kept = {pair.new.name for pair in self.event_pairs}
        return tuple(event for event in self.new.events if event.name not in kept)

    @cached_property
    def enum_pairs(self) -> tuple[EnumPair, ...]:
        """The enums that both contracts have."""
        new = {enum.name: enum for enum in self.new.enums}
        return tuple(
            EnumPair(
                self.steps,
                enum,
                new[enum.name],
                self.mode_of_enum(enum),
                self._places_of_enum(enum),
            )
            for enum in self.old.enums
            if enum.name in new
        )

    @cached_property
    def owners(self) -> tuple[OwnerPair, ...]:
        """Everything with fields that both contracts have."""
        return (*self._pair_envelopes(), *self.records.values(), *self.events.values())

    @cached_property
    def events(self) -> dict[str, OwnerPair]:
        """The events that both contracts have, as owners of fields, by their old names."""
        return {pair.old.name: self._pair_event_owners(pair) for pair in self.event_pairs}

    @cached_property
    def records(self) -> dict[str, OwnerPair]:
        """The records that both contracts have."""
        new = {record.name: record for record in self.new.records}
        return {
            record.name: self._pair_records(record, new[record.name])
            for record in self.old.records
            if record.name in new
        }

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """The values that are found under another parent now."""
        return tuple(move for pair in self.event_pairs for move in self._find_moves(pair))

    @property
    def strictest(self) -> Mode:
        """The strictest mode of any event."""
        return _strictest([pair.mode for pair in self.event_pairs])

    def mode_of_enum(self, enum: Enum) -> Mode:
        """Return the strictest mode among those who use an enum."""
        modes = [pair.mode for pair in self.event_pairs if _holds(pair.old.fields, enum)]
        if _holds(self.old.envelope.fields, enum):
            modes.append(MODES["stable"])
        return _strictest(modes)

    def _pair_events(self) -> Iterator[EventPair]:
        old = {event.name: event for event in self.old.events}
        new = {event.name for event in self.new.events}
        for event in self.new.events:
            name = find_old_name(event, old, new)
            if name is not None:
                mode = mode_of(event, self.new, old[name].stability)
                yield EventPair(old[name], event, mode)

    def _pair_event_owners(self, pair: EventPair) -> OwnerPair:
        return OwnerPair(
            steps=self.steps,
            subject=pair.new.name,
            old=Owner(pair.old.fields, pair.old.reserved, pair.old.span, pair.old.stability),
            new=Owner(pair.new.fields, pair.new.reserved, pair.new.span, pair.new.stability),
            mode=pair.mode,
            places=(Place(pair.old.name, ""),),
            is_revised=pair.is_revised,
        )

    def _pair_records(self, old: Record, new: Record) -> OwnerPair:
        users = {}
        places = []
        for pair in self.event_pairs:
            for path, record in walk_records(pair.new.fields):
                if record.name == old.name:
                    users[pair.old.name] = pair.mode
                    places.append(Place(pair.old.name, path))
        mode = _strictest([*users.values(), _without_wire(MODES[old.stability])])
        return OwnerPair(
            steps=self.steps,
            subject=new.name,
            old=Owner(old.fields, old.reserved, old.span, old.stability),
            new=Owner(new.fields, new.reserved, new.span, new.stability),
            mode=mode,
            places=tuple(places),
        )

    def _pair_envelopes(self) -> Iterator[OwnerPair]:
        old, new = self.old.envelope, self.new.envelope
        yield OwnerPair(
            steps=self.steps,
            subject="envelope",
            old=Owner(old.fields, (), old.span),
            new=Owner(new.fields, (), new.span),
            mode=MODES["stable"],
        )
        yield OwnerPair(
            steps=self.steps,
            subject="context",
            old=Owner(self.old.context, (), self.old.span),
            new=Owner(self.new.context, (), self.new.span),
            mode=_without_wire(MODES["stable"]),
        )

    def _places_of_enum(self, enum: Enum) -> tuple[Place, ...]:
        return tuple(
            Place(pair.old.name, path)
            for pair in self.event_pairs
            for path, value in walk_leaves(pair.new.fields)
            if isinstance(value.innermost, EnumType) and value.innermost.enum.name == enum.name
        )

    def _find_moves(self, pair: EventPair) -> Iterator[Move]:
        old = dict(self._walk_translated(self.events[pair.old.name], ""))
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
        """Go through the old values of a payload, with the paths that they have under their new names."""
        names = {pair.old.name: pair.new.wire for pair in owner.matched}
        for value in owner.old.fields:
            path = join_path(prefix, names.get(value.name, value.wire))
            inner = value.innermost
            if not isinstance(inner, RecordType):
                yield path, value
            elif inner.record.name in self.records:
                record = self.records[inner.record.name]
                yield from self._walk_translated(record, path + brackets(value.type))
            else:
                yield from walk_leaves(inner.record.fields, path + brackets(value.type))


def _holds(fields: Iterable[Value], enum: Enum) -> bool:
    inner = [value.innermost for _, value in walk_leaves(fields)]
    return any(isinstance(of, EnumType) and of.enum.name == enum.name for of in inner)


def _strictest(modes: list[Mode]) -> Mode:
    """Return the strictest mode; what nobody writes down can break callers alone."""
    if not modes:
        return _without_wire(MODES["stable"])
    strictest = modes[0]
    for mode in modes[1:]:
        strictest |= mode
    return strictest


def _without_wire(mode: Mode) -> Mode:
    return replace(mode, forbidden=mode.forbidden & ~WIRE)
