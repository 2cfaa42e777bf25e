"""The contract as it is meant: names resolved, groups included, records carried. Targets read this alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from ..diagnostics.findings import Span
from .nodes import Bounds, Given, Stability
from .promises import Exemption, Promise, Upcast
from .users import Users

PrimitiveName = Literal["int", "float", "bool", "str"]


@dataclass(frozen=True, slots=True)
class Primitive:
    """int, float, bool or str."""

    name: PrimitiveName

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class EnumType:
    """A member of an enum."""

    enum: "Enum"

    def __str__(self) -> str:
        return self.enum.name

    def __repr__(self) -> str:
        # What the enum means is shown where it is declared.
        return f"EnumType({self.enum.name})"


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record."""

    record: "Record"

    def __str__(self) -> str:
        return self.record.name

    def __repr__(self) -> str:
        # What the record means is shown where it is declared.
        return f"RecordType({self.record.name})"


@dataclass(frozen=True, slots=True)
class ListType:
    """Any number of values of one type."""

    item: "Type"

    def __str__(self) -> str:
        return f"{self.item}[]"


@dataclass(frozen=True, slots=True)
class MapType:
    """Texts that stand for values of one type."""

    item: "Type"

    def __str__(self) -> str:
        return f"{self.item}{{}}"


Type = Primitive | EnumType | RecordType | ListType | MapType


@dataclass(frozen=True, slots=True)
class FromSource:
    """The value is read from an attribute of the source; with a guard, only while that attribute is true."""

    attribute: str
    guard: str | None = None


@dataclass(frozen=True, slots=True)
class FromCaller:
    """The caller of the emission helper gives the value."""


@dataclass(frozen=True, slots=True)
class FromContext:
    """The value is bound to the channel."""


Capture = FromSource | FromCaller | FromContext


@dataclass(frozen=True, kw_only=True)
class Located:
    """Something of the contract: its name, its place, and the places of what is said about it."""

    name: str
    span: Span = field(compare=False, repr=False)
    spans: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)

    def at(self, key: str) -> Span:
        """Return the place where `key` is said, or of the whole when it is not."""
        return self.spans.get(key, self.span)


@dataclass(frozen=True, kw_only=True)
class Value(Located):
    """A named, typed value: a field of a record, of the envelope or of the context."""

    wire: str
    aliases: tuple[str, ...]
    type: Type
    nullable: bool
    doc: str
    unit: str | None
    range: Bounds | None
    length: Bounds | None
    pattern: str | None
    nonfinite: Literal["error", "null", "string"]
    default: Given | None
    missing: Given | None
    stability: Stability
    since: str | None
    deprecated: str | None
    renamed_from: str | None
    owner: str

    @property
    def innermost(self) -> Type:
        """The type inside all lists and maps, which `range` and `pattern` speak of."""
        inner = self.type
        while isinstance(inner, ListType | MapType):
            inner = inner.item
        return inner


@dataclass(frozen=True, kw_only=True)
class Field(Value):
    """A value of a payload, with where it comes from."""

    capture: Capture
    phase: str | None = None
    reduce: str | None = None
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class ContextValue(Value):
    """A value that is bound by whoever loops."""

    place: Literal["payload", "envelope"]


@dataclass(frozen=True, kw_only=True)
class Member(Located):
    """A member of an enum."""

    value: int
    doc: str
    deprecated: str | None


@dataclass(frozen=True, kw_only=True)
class Enum(Located):
    """An enum; an open one lets readers meet names they do not know."""

    doc: str
    open: bool
    members: tuple[Member, ...]
    reserved: tuple[Member, ...]


@dataclass(frozen=True, kw_only=True)
class Reserved(Located):
    """A name of the past."""

    doc: str
    last: str | None
    wire: str


@dataclass(frozen=True, kw_only=True)
class Record(Located):
    """Values that belong together."""

    doc: str
    fields: tuple[Value, ...]
    reserved: tuple[Reserved, ...]
    stability: Stability


@dataclass(frozen=True, kw_only=True)
class Envelope(Located):
    """What every line says beside its payload: its own fields, the context's, `event` and `v`."""

    doc: str
    fields: tuple[Value, ...]


@dataclass(frozen=True, kw_only=True)
class Event(Located):
    """Something that happens and is told."""

    doc: str
    family: str
    payload: str
    source: str | None
    fields: tuple[Field, ...]
    reserved: tuple[Reserved, ...]
    carried: str | None
    stability: Stability
    since: str | None
    deprecated: str | None
    renamed_from: str | None
    owner: str
    promise: Promise
    retired: str | None
    cadence: str | None
    revision: int
    note: str | None

    @property
    def arguments(self) -> tuple[Field, ...]:
        """The fields that the caller of the helper gives."""
        return tuple(field for field in self.fields if isinstance(field.capture, FromCaller))

    @property
    def stamped(self) -> tuple[Field, ...]:
        """The fields that the channel's context gives."""
        return tuple(field for field in self.fields if isinstance(field.capture, FromContext))

    @property
    def guards(self) -> dict[str | None, tuple[Field, ...]]:
        """The captured fields by the attribute that guards them; None guards what always is captured."""
        groups: dict[str | None, tuple[Field, ...]] = {}
        for one in self.fields:
            if isinstance(one.capture, FromSource):
                groups[one.capture.guard] = (*groups.get(one.capture.guard, ()), one)
        return groups


@dataclass(frozen=True, kw_only=True)
class Group(Located):
    """Fields that are captured together, while an attribute of the source is true."""

    doc: str
    when: str


@dataclass(frozen=True, kw_only=True)
class Family(Located):
    """Events that share a module."""

    doc: str
    events: tuple[Event, ...]

    @cached_property
    def sources(self) -> dict[str, tuple[Event, ...]]:
        """The events that are read from each source."""
        sources: dict[str, tuple[Event, ...]] = {}
        for event in self.events:
            if event.source is not None and event.retired is None:
                sources[event.source] = (*sources.get(event.source, ()), event)
        return sources


@dataclass(frozen=True, kw_only=True)
class Contract:
    """All of it."""

    path: str
    span: Span = field(compare=False, repr=False)
    spans: Mapping[str, Span] = field(compare=False, repr=False)
    version: str
    enums: tuple[Enum, ...]
    envelope: Envelope
    context: tuple[ContextValue, ...]
    records: tuple[Record, ...]
    groups: tuple[Group, ...]
    families: tuple[Family, ...]
    retired: tuple[Reserved, ...]
    promise: Promise
    upcasts: tuple[Upcast, ...]
    exemptions: tuple[Exemption, ...]
    users: Users = field(default=Users(), compare=False, repr=False)

    @property
    def owners(self) -> Iterator[Record | Event]:
        """Everything that has fields by name: the records, then the events."""
        yield from self.records
        yield from self.events

    @property
    def values(self) -> Iterator[Value]:
        """Every value, once for each place that it has: envelope, context, records, events."""
        yield from self.envelope.fields
        yield from self.context
        for owner in self.owners:
            yield from owner.fields

    @property
    def events(self) -> Iterator[Event]:
        """Every event, family by family."""
        for family in self.families:
            yield from family.events
