"""A contract as it is written: one class for each kind of mapping in the YAML file.

The classes are the only description of the file's form. `bind` reads files by them and `schema` derives the
JSON Schema from them, so that editors and the compiler cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

from codegen.findings import Span
from codegen.forms import (
    CONSTANT,
    NAME,
    REGEX,
    SENTENCE,
    TYPE,
    TYPE_NAME,
    UNIT,
    VERSION,
    WIRE_NAME,
    Form,
)

Number = int | float
Stability = Literal["development", "beta", "stable"]


@dataclass(frozen=True, slots=True)
class Given:
    """A value of whatever type; unlike None it tells null from nothing."""

    value: object


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest value that are allowed; None leaves that side open."""

    low: Number | None
    high: Number | None


def key(
    doc: str, *, form: Form | None = None, names: Form | None = None, default: object = MISSING
) -> Any:
    """Describe a key: its meaning, the form of its text (of each, in a list), that of the names under it."""
    metadata = {"doc": doc, "form": form, "names": names}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A mapping of the file: the key it stands under, its place, and the places of what it holds."""

    name: str = ""
    span: Span = Span("", 1, 1)
    spans: Mapping[str, Span] = field(default_factory=dict, repr=False)

    def at(self, key: str) -> Span:
        """Return the place of the value of `key`, or of this mapping when it has none."""
        return self.spans.get(key, self.span)


@dataclass(frozen=True, kw_only=True)
class MemberSpec(Node):
    """A member of an enum."""

    value: int = key("Its number, which never changes.")
    doc: str = key("What it means.", form=SENTENCE)
    deprecated: str | None = key("Why it should no longer be used.", form=SENTENCE, default=None)


@dataclass(frozen=True, kw_only=True)
class EnumSpec(Node):
    """An enum; on the wire its members go by name."""

    doc: str = key("What it tells apart.", form=SENTENCE)
    open: bool = key("Whether readers accept names they do not know.", default=False)
    members: tuple[MemberSpec, ...] = key("Its members.", names=CONSTANT)
    reserved: tuple[MemberSpec, ...] = key(
        "Members of the past, whose names and numbers stay taken.", names=CONSTANT, default=()
    )


@dataclass(frozen=True, kw_only=True)
class ValueSpec(Node):
    """A value with a name: what every kind of field has."""

    type: str = key(
        "int, float, bool, str, an enum or a record; [] makes a list, {} a map.", form=TYPE
    )
    doc: str = key("What it says.", form=SENTENCE)
    unit: str | None = key('Unit of a number; "1" for a bare count.', form=UNIT, default=None)
    range: Bounds | None = key("Least and greatest value; null leaves a side open.", default=None)
    length: Bounds | None = key("Least and greatest length of a text, list or map.", default=None)
    pattern: str | None = key("Pattern that all of a text matches.", form=REGEX, default=None)
    nullable: bool = key("Whether null (not measured) is allowed.", default=False)
    nonfinite: Literal["error", "null", "string"] = key(
        "What becomes of NaN and infinities: refused, null, or written as text.", default="error"
    )
    default: Given | None = key("Value when the constructor is given none.", default=None)
    missing: Given | None = key("Value when a reader finds none.", default=None)
    wire: str | None = key("Key on the wire; the name unless said.", form=WIRE_NAME, default=None)
    aliases: tuple[str, ...] = key("Keys that readers accept as well.", form=WIRE_NAME, default=())
    stability: Stability | None = key("How firmly it is promised.", default=None)
    since: str | None = key("Version that brought it.", form=VERSION, default=None)
    deprecated: str | None = key("Why it should no longer be used.", form=SENTENCE, default=None)
    renamed_from: str | None = key("Name it had before.", form=NAME, default=None)
    owner: str | None = key("Who answers for it.", form=SENTENCE, default=None)


@dataclass(frozen=True, kw_only=True)
class FieldSpec(ValueSpec):
    """A field of an event: a value and where it comes from."""

    from_: str | None = key(
        "Attribute of the source that it is read from.", form=NAME, default=None
    )
    arg: bool = key("Whether the caller of the emission helper gives it.", default=False)
    phase: str | None = key("When it is captured.", form=SENTENCE, default=None)
    reduce: str | None = key("How many values became one.", form=SENTENCE, default=None)


@dataclass(frozen=True, kw_only=True)
class ContextSpec(ValueSpec):
    """A value that is bound by whoever loops and stamped on every event."""

    place: Literal["payload", "envelope"] = key("Where it is written.")


@dataclass(frozen=True, kw_only=True)
class ReservedSpec(Node):
    """A name of the past, which stays taken."""

    doc: str = key("What it was.", form=SENTENCE)
    last: str | None = key("Last version that had it.", form=VERSION, default=None)


@dataclass(frozen=True, kw_only=True)
class GroupSpec(Node):
    """Fields that are captured together or not at all."""

    doc: str = key("What they have in common.", form=SENTENCE)
    when: str = key("Attribute of the source; while it is false, the defaults stand.", form=NAME)
    fields: tuple[FieldSpec, ...] = key("Its fields.", names=NAME)


@dataclass(frozen=True, kw_only=True)
class RecordSpec(Node):
    """Values that belong together, inside payloads or handed from room to room."""

    doc: str = key("What it holds.", form=SENTENCE)
    fields: tuple[ValueSpec, ...] = key("Its fields.", names=NAME)
    reserved: tuple[ReservedSpec, ...] = key("Fields of the past.", names=NAME, default=())
    stability: Stability = key("How firmly it is promised.", default="stable")


@dataclass(frozen=True, kw_only=True)
class EnvelopeSpec(Node):
    """What every line says beside its payload; `event` and `v` (version) are always there."""

    doc: str = key("What it holds.", form=SENTENCE)
    fields: tuple[ValueSpec, ...] = key("Its fields.", names=NAME)
    order: tuple[str, ...] = key("Order of all keys on a line.", form=NAME, default=())


@dataclass(frozen=True, kw_only=True)
class FamilySpec(Node):
    """A family of events; it becomes one module."""

    doc: str = key("What its events tell about.", form=SENTENCE)


@dataclass(frozen=True, kw_only=True)
class EventSpec(Node):
    """Something that happens and is told."""

    doc: str = key("What has happened, as a sentence.", form=SENTENCE)
    family: str = key("Family it belongs to.", form=NAME)
    payload: str = key("Name of its payload's class.", form=TYPE_NAME)
    source: str | None = key(
        "Name of the protocol of what it is read from.", form=TYPE_NAME, default=None
    )
    context: tuple[str, ...] = key("Context fields in its payload.", form=NAME, default=())
    fields: tuple[FieldSpec, ...] = key("Its own fields.", names=NAME, default=())
    include: tuple[str, ...] = key("Groups whose fields it has.", form=NAME, default=())
    carry: str | None = key(
        "Record whose fields it has, read from the source.", form=TYPE_NAME, default=None
    )
    omit: tuple[str, ...] = key("Fields of that record it does without.", form=NAME, default=())
    reserved: tuple[ReservedSpec, ...] = key("Fields of the past.", names=NAME, default=())
    stability: Stability = key("How firmly it is promised.", default="stable")
    since: str | None = key("Version that brought it.", form=VERSION, default=None)
    deprecated: str | None = key("Why it should no longer be used.", form=SENTENCE, default=None)
    renamed_from: str | None = key("Name it had before.", form=CONSTANT, default=None)
    owner: str | None = key("Who answers for it.", form=SENTENCE, default=None)


@dataclass(frozen=True, kw_only=True)
class ContractSpec(Node):
    """A telemetry contract: every event, record, field, unit and enum that leaves the process."""

    version: str = key("Version of the contract.", form=VERSION)
    owner: str = key("Who answers for what names nobody else.", form=SENTENCE)
    enums: tuple[EnumSpec, ...] = key("Enums.", names=TYPE_NAME, default=())
    envelope: EnvelopeSpec = key("What every line says beside its payload.")
    context: tuple[ContextSpec, ...] = key("Values bound by whoever loops.", names=NAME, default=())
    groups: tuple[GroupSpec, ...] = key("Groups of fields.", names=NAME, default=())
    records: tuple[RecordSpec, ...] = key("Records.", names=TYPE_NAME, default=())
    families: tuple[FamilySpec, ...] = key("Families of events.", names=NAME)
    events: tuple[EventSpec, ...] = key("Events.", names=CONSTANT)
    retired: tuple[ReservedSpec, ...] = key("Events of the past.", names=CONSTANT, default=())
