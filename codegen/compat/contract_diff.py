"""The difference of two contracts: which events, fields and enums they share, and which only one of them has."""

from collections.abc import Iterable, Iterator
from functools import cached_property

from ..contract.model import Contract, Enum, EnumType, Event, Record, RecordType, Value
from ..contract.versions import Bump, parse_version
from ..contract.wire_paths import brackets, join_path, walk_leaves, walk_records
from ..diagnostics.findings import Span
from .modes import MODES, CompatibilityMode, mode_of, strictest_of
from .pairs import EnumPair, EventPair, Move, Owner, OwnerPair, find_old_name
from .upcast_chain import PayloadPath, UpcastChain


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
        """The enums that both contracts have."""
        new = {enum.name: enum for enum in self.new.enums}
        return tuple(
            EnumPair(
                self.upcasts,
                enum,
                new[enum.name],
                self.mode_of_enum(enum),
                self._paths_of_enum(enum),
            )
            for enum in self.old.enums
            if enum.name in new
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
        """The records that both contracts have, by name."""
        new = {record.name: record for record in self.new.records}
        return {
            record.name: self._pair_records(record, new[record.name])
            for record in self.old.records
            if record.name in new
        }

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
        return strictest_of(modes)

    def _pair_events(self) -> Iterator[EventPair]:
        old = {event.name: event for event in self.old.events}
        new = {event.name for event in self.new.events}
        for event in self.new.events:
            name = find_old_name(event, old, new)
            if name is not None:
                mode = mode_of(event, self.new, old[name].stability)
                yield EventPair(old[name], event, mode)

    def _make_event_owner(self, pair: EventPair) -> OwnerPair:
        return OwnerPair(
            upcasts=self.upcasts,
            subject=pair.new.name,
            old=Owner(pair.old.fields, pair.old.reserved, pair.old.span, pair.old.stability),
            new=Owner(pair.new.fields, pair.new.reserved, pair.new.span, pair.new.stability),
            mode=pair.mode,
            paths=(PayloadPath(pair.old.name, ""),),
            is_revised=pair.is_revised,
        )

    def _pair_records(self, old: Record, new: Record) -> OwnerPair:
        modes = {}
        paths = []
        for pair in self.event_pairs:
            for path, record in walk_records(pair.new.fields):
                if record.name == old.name:
                    modes[pair.old.name] = pair.mode
                    paths.append(PayloadPath(pair.old.name, path))
        mode = strictest_of([*modes.values(), MODES[old.stability].without_wire()])
        return OwnerPair(
            upcasts=self.upcasts,
            subject=new.name,
            old=Owner(old.fields, old.reserved, old.span, old.stability),
            new=Owner(new.fields, new.reserved, new.span, new.stability),
            mode=mode,
            paths=tuple(paths),
        )

    def _pair_envelopes(self) -> Iterator[OwnerPair]:
        old, new = self.old.envelope, self.new.envelope
        yield OwnerPair(
            upcasts=self.upcasts,
            subject="envelope",
            old=Owner(old.fields, (), old.span),
            new=Owner(new.fields, (), new.span),
            mode=MODES["stable"],
        )
        yield OwnerPair(
            upcasts=self.upcasts,
            subject="context",
            old=Owner(self.old.context, (), self.old.span),
            new=Owner(self.new.context, (), self.new.span),
            mode=MODES["stable"].without_wire(),
        )

    def _paths_of_enum(self, enum: Enum) -> tuple[PayloadPath, ...]:
        return tuple(
            PayloadPath(pair.old.name, path)
            for pair in self.event_pairs
            for path, value in walk_leaves(pair.new.fields)
            if isinstance(value.innermost, EnumType) and value.innermost.enum.name == enum.name
        )

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
    inner = [value.innermost for _, value in walk_leaves(fields)]
    return any(isinstance(type_, EnumType) and type_.enum.name == enum.name for type_ in inner)
