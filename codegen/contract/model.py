"""The model of a contract: names are resolved, and events have the fields of their groups and records.

Targets read only this. The form of the file is in `spec`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from ..diagnostics.findings import Span
from .nodes import BARE_COUNT, Bounds, Given, Level, Node, Plot, Stability, Stamp
from .promises import Exemption, Promise, Upcast
from .users import Users

PrimitiveName = Literal["int", "float", "bool", "str"]


@dataclass(frozen=True, slots=True)
class Primitive:
    """One of the types int, float, bool and str."""

    name: PrimitiveName

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class EnumType:
    """The type of a member of an enum."""

    enum: "Enum"

    def __str__(self) -> str:
        return self.enum.name

    def __repr__(self) -> str:
        # The enum itself is part of the contract once, where it is declared.
        return f"EnumType({self.enum.name})"


@dataclass(frozen=True, slots=True)
class RecordType:
    """The type of a record."""

    record: "Record"

    def __str__(self) -> str:
        return self.record.name

    def __repr__(self) -> str:
        # The record itself is part of the contract once, where it is declared.
        return f"RecordType({self.record.name})"


@dataclass(frozen=True, slots=True)
class ListType:
    """A list of values of one type."""

    item: "Type"

    def __str__(self) -> str:
        return f"{self.item}[]"


@dataclass(frozen=True, slots=True)
class MapType:
    """A map from texts to values of one type."""

    item: "Type"

    def __str__(self) -> str:
        return f"{self.item}{{}}"


Type = Primitive | EnumType | RecordType | ListType | MapType


@dataclass(frozen=True, slots=True)
class FromSource:
    """The value is read from an attribute of the source; if there is a guard, only while that attribute is true."""

    attribute: str
    guard: str | None = None


@dataclass(frozen=True, slots=True)
class FromCaller:
    """The value is an argument of the emission helper."""


@dataclass(frozen=True, slots=True)
class FromContext:
    """The value is taken from the context that is bound to the channel."""


Capture = FromSource | FromCaller | FromContext


@dataclass(frozen=True, kw_only=True)
class Value(Node):
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
    # Like stamps, these two do not change how a line is read.
    sensitive: bool = field(default=False, compare=False)
    plot: Plot | None = field(default=None, compare=False)

    @property
    def shown_as(self) -> Plot:
        """How tools show the value: `plot`, or its default by the type and the unit."""
        if self.plot is not None:
            return self.plot
        is_number = self.innermost == Primitive("float") or (
            self.innermost == Primitive("int") and self.unit != BARE_COUNT
        )
        is_one_or_named = not isinstance(self.type, ListType)
        return "scalar" if is_number and is_one_or_named else "none"

    @property
    def innermost(self) -> Type:
        """The type inside all lists and maps, to which `range` and `pattern` apply."""
        inner = self.type
        while isinstance(inner, ListType | MapType):
            inner = inner.item
        return inner


@dataclass(frozen=True, kw_only=True)
class Field(Value):
    """A field of an event: a value, and the place that it is taken from."""

    capture: Capture
    phase: str | None = None
    reduce: str | None = None
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class ContextValue(Value):
    """A value that is bound to a channel."""

    place: Literal["payload", "envelope"]


@dataclass(frozen=True, kw_only=True)
class Member(Node):
    """A member of an enum."""

    value: int
    doc: str
    deprecated: str | None


@dataclass(frozen=True, kw_only=True)
class Enum(Node):
    """An enum; readers of an open one accept names of members that later versions have added."""

    doc: str
    open: bool
    members: tuple[Member, ...]
    reserved: tuple[Member, ...]
    renamed_from: str | None


@dataclass(frozen=True, kw_only=True)
class Reserved(Node):
    """A removed name, which is not used again."""

    doc: str
    last: str | None
    wire: str


@dataclass(frozen=True, kw_only=True)
class Record(Node):
    """A record: values that belong together, in payloads or passed between parts of the program."""

    doc: str
    fields: tuple[Value, ...]
    reserved: tuple[Reserved, ...]
    stability: Stability
    renamed_from: str | None


@dataclass(frozen=True, kw_only=True)
class Envelope(Node):
    """The keys of every line besides its payload: its own fields, those of the context, `event` and `v`.

    `stamps` says where the generated channel takes a field from, by the name of the field.
    """

    doc: str
    fields: tuple[Value, ...]
    # Stamps do not change how a line is read, so versions are not compared by them, and releases do not contain them.
    stamps: tuple[tuple[str, Stamp], ...] = field(default=(), compare=False)

    def stamp_of(self, value: Value) -> Stamp | None:
        """Return the stamp of a field; None if it has none."""
        return dict(self.stamps).get(value.name)


@dataclass(frozen=True, kw_only=True)
class Event(Node):
    """A kind of event that the program emits."""

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
    level: Level = field(default="info", compare=False)

    @property
    def arguments(self) -> tuple[Field, ...]:
        """The fields that are arguments of the emission helper."""
        return tuple(field for field in self.fields if isinstance(field.capture, FromCaller))

    @property
    def guards(self) -> dict[str | None, tuple[Field, ...]]:
        """The captured fields by the attribute that guards them; under None, those that are always captured."""
        groups: dict[str | None, tuple[Field, ...]] = {}
        for one in self.fields:
            if isinstance(one.capture, FromSource):
                groups[one.capture.guard] = (*groups.get(one.capture.guard, ()), one)
        return groups


@dataclass(frozen=True, kw_only=True)
class Group(Node):
    """A group: its fields are captured together, while the attribute `when` of the source is true."""

    doc: str
    when: str


@dataclass(frozen=True, kw_only=True)
class Family(Node):
    """A family: events that share a generated module."""

    doc: str
    events: tuple[Event, ...]

    @cached_property
    def sources(self) -> dict[str, tuple[Event, ...]]:
        """The events that are emitted now, by the source from which they are read."""
        sources: dict[str, tuple[Event, ...]] = {}
        for event in self.events:
            if event.source is not None and event.retired is None:
                sources[event.source] = (*sources.get(event.source, ()), event)
        return sources


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A whole contract."""

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
        """The records, then the events: everything with named fields of its own."""
        yield from self.records
        yield from self.events

    @property
    def values(self) -> Iterator[Value]:
        """Every value of envelope, context, records and events; a value in several of them is yielded once for each."""
        yield from self.envelope.fields
        yield from self.context
        for owner in self.owners:
            yield from owner.fields

    @property
    def events(self) -> Iterator[Event]:
        """Every event, family by family."""
        for family in self.families:
            yield from family.events
