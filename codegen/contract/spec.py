"""A contract as it is written: one class for each kind of mapping in the YAML file.

The classes are the only description of the file's form. `bind` reads files by them and `schema` derives the
JSON Schema from them, so that editors and the compiler cannot disagree.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from .forms import (
    CONSTANT,
    EXEMPTED,
    NAME,
    REGEX,
    SENTENCE,
    TYPE,
    TYPE_NAME,
    UNIT,
    VERSION,
    WIRE_NAME,
)
from .nodes import Bounds, Given, Key, Node, Stability
from .spec_promises import ExemptionSpec, PromiseSpec, UpcastSpec


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MemberSpec(Node):
    """A member of an enum."""

    value: Annotated[int, Key("Its number, which never changes.")]
    doc: Annotated[str, Key("What it means.", form=SENTENCE)]
    deprecated: Annotated[str | None, Key("Why it should no longer be used.", form=SENTENCE)] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EnumSpec(Node):
    """An enum; on the wire its members go by name."""

    doc: Annotated[str, Key("What it tells apart.", form=SENTENCE)]
    open: Annotated[bool, Key("Whether readers accept names they do not know.")] = False
    members: Annotated[tuple[MemberSpec, ...], Key("Its members.", names=CONSTANT)]
    reserved: Annotated[
        tuple[MemberSpec, ...],
        Key("Members of the past, whose names and numbers stay taken.", names=CONSTANT),
    ] = ()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ValueSpec(Node):
    """A value with a name: what every kind of field has."""

    type: Annotated[
        str,
        Key("int, float, bool, str, an enum or a record; [] makes a list, {} a map.", form=TYPE),
    ]
    doc: Annotated[str, Key("What it says.", form=SENTENCE)]
    unit: Annotated[str | None, Key('Unit of a number; "1" for a bare count.', form=UNIT)] = None
    range: Annotated[Bounds | None, Key("Least and greatest value; null leaves a side open.")] = (
        None
    )
    length: Annotated[Bounds | None, Key("Least and greatest length of a text, list or map.")] = (
        None
    )
    pattern: Annotated[str | None, Key("Pattern that all of a text matches.", form=REGEX)] = None
    nullable: Annotated[bool, Key("Whether null (not measured) is allowed.")] = False
    nonfinite: Annotated[
        Literal["error", "null", "string"],
        Key("What becomes of NaN and infinities: refused, null, or written as text."),
    ] = "error"
    default: Annotated[Given | None, Key("Value when the constructor is given none.")] = None
    missing: Annotated[Given | None, Key("Value when a reader finds none.")] = None
    wire: Annotated[str | None, Key("Key on the wire; the name unless said.", form=WIRE_NAME)] = (
        None
    )
    aliases: Annotated[
        tuple[str, ...], Key("Keys that readers accept as well.", form=WIRE_NAME)
    ] = ()
    stability: Annotated[Stability | None, Key("How firmly it is promised.")] = None
    since: Annotated[str | None, Key("Version that brought it.", form=VERSION)] = None
    deprecated: Annotated[str | None, Key("Why it should no longer be used.", form=SENTENCE)] = None
    renamed_from: Annotated[str | None, Key("Name it had before.", form=NAME)] = None
    owner: Annotated[str | None, Key("Who answers for it.", form=SENTENCE)] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FieldSpec(ValueSpec):
    """A field of an event: a value and where it comes from."""

    from_: Annotated[
        str | None, Key("Attribute of the source that it is read from.", form=NAME)
    ] = None
    arg: Annotated[bool, Key("Whether the caller of the emission helper gives it.")] = False
    phase: Annotated[str | None, Key("When it is captured.", form=SENTENCE)] = None
    reduce: Annotated[str | None, Key("How many values became one.", form=SENTENCE)] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ContextSpec(ValueSpec):
    """A value that is bound by whoever loops and stamped on every event."""

    place: Annotated[Literal["payload", "envelope"], Key("Where it is written.")]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReservedSpec(Node):
    """A name of the past, which stays taken."""

    doc: Annotated[str, Key("What it was.", form=SENTENCE)]
    last: Annotated[str | None, Key("Last version that had it.", form=VERSION)] = None
    wire: Annotated[
        str | None, Key("Key that it had on the wire; the name unless said.", form=WIRE_NAME)
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupSpec(Node):
    """Fields that are captured together or not at all."""

    doc: Annotated[str, Key("What they have in common.", form=SENTENCE)]
    when: Annotated[
        str, Key("Attribute of the source; while it is false, the defaults stand.", form=NAME)
    ]
    fields: Annotated[tuple[FieldSpec, ...], Key("Its fields.", names=NAME)]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RecordSpec(Node):
    """Values that belong together, inside payloads or handed from room to room."""

    doc: Annotated[str, Key("What it holds.", form=SENTENCE)]
    fields: Annotated[tuple[ValueSpec, ...], Key("Its fields.", names=NAME)]
    reserved: Annotated[tuple[ReservedSpec, ...], Key("Fields of the past.", names=NAME)] = ()
    stability: Annotated[Stability, Key("How firmly it is promised.")] = "stable"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EnvelopeSpec(Node):
    """What every line says beside its payload; `event` and `v` (version) are always there."""

    doc: Annotated[str, Key("What it holds.", form=SENTENCE)]
    fields: Annotated[tuple[ValueSpec, ...], Key("Its fields.", names=NAME)]
    order: Annotated[tuple[str, ...], Key("Order of all keys on a line.", form=NAME)] = ()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FamilySpec(Node):
    """A family of events; it becomes one module."""

    doc: Annotated[str, Key("What its events tell about.", form=SENTENCE)]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EventSpec(Node):
    """Something that happens and is told."""

    doc: Annotated[str, Key("What has happened, as a sentence.", form=SENTENCE)]
    family: Annotated[str, Key("Family it belongs to.", form=NAME)]
    payload: Annotated[str, Key("Name of its payload's class.", form=TYPE_NAME)]
    source: Annotated[
        str | None, Key("Name of the protocol of what it is read from.", form=TYPE_NAME)
    ] = None
    context: Annotated[tuple[str, ...], Key("Context fields in its payload.", form=NAME)] = ()
    fields: Annotated[tuple[FieldSpec, ...], Key("Its own fields.", names=NAME)] = ()
    include: Annotated[tuple[str, ...], Key("Groups whose fields it has.", form=NAME)] = ()
    carry: Annotated[
        str | None, Key("Record whose fields it has, read from the source.", form=TYPE_NAME)
    ] = None
    omit: Annotated[tuple[str, ...], Key("Fields of that record it does without.", form=NAME)] = ()
    reserved: Annotated[tuple[ReservedSpec, ...], Key("Fields of the past.", names=NAME)] = ()
    stability: Annotated[Stability, Key("How firmly it is promised.")] = "stable"
    since: Annotated[str | None, Key("Version that brought it.", form=VERSION)] = None
    deprecated: Annotated[str | None, Key("Why it should no longer be used.", form=SENTENCE)] = None
    renamed_from: Annotated[str | None, Key("Name it had before.", form=CONSTANT)] = None
    owner: Annotated[str | None, Key("Who answers for it.", form=SENTENCE)] = None
    promise: Annotated[PromiseSpec | None, Key("How far it may change.")] = None
    retired: Annotated[
        str | None, Key("Version that ceased to tell it; readers stay.", form=VERSION)
    ] = None
    cadence: Annotated[str | None, Key("How often it is told.", form=SENTENCE)] = None
    revision: Annotated[int, Key("Raised when its numbers come to mean something else.")] = 1
    note: Annotated[str | None, Key("What its newest revision changed.", form=SENTENCE)] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class UnitSpec(Node):
    """A unit of measurement."""

    doc: Annotated[str, Key("What one of it is.", form=SENTENCE)]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ContractSpec(Node):
    """A telemetry contract: every event, record, field, unit and enum that leaves the process."""

    version: Annotated[str, Key("Version of the contract.", form=VERSION)]
    owner: Annotated[str, Key("Who answers for what names nobody else.", form=SENTENCE)]
    units: Annotated[
        tuple[UnitSpec, ...], Key('Units; "1" is a bare count and need not be listed.', names=UNIT)
    ] = ()
    enums: Annotated[tuple[EnumSpec, ...], Key("Enums.", names=TYPE_NAME)] = ()
    envelope: Annotated[EnvelopeSpec, Key("What every line says beside its payload.")]
    context: Annotated[
        tuple[ContextSpec, ...], Key("Values bound by whoever loops.", names=NAME)
    ] = ()
    groups: Annotated[tuple[GroupSpec, ...], Key("Groups of fields.", names=NAME)] = ()
    records: Annotated[tuple[RecordSpec, ...], Key("Records.", names=TYPE_NAME)] = ()
    families: Annotated[tuple[FamilySpec, ...], Key("Families of events.", names=NAME)]
    events: Annotated[tuple[EventSpec, ...], Key("Events.", names=CONSTANT)]
    retired: Annotated[tuple[ReservedSpec, ...], Key("Events of the past.", names=CONSTANT)] = ()
    promise: Annotated[PromiseSpec | None, Key("How far events may change.")] = None
    upcasts: Annotated[
        tuple[UpcastSpec, ...], Key("How old records become new ones.", names=VERSION)
    ] = ()
    exemptions: Annotated[
        tuple[ExemptionSpec, ...],
        Key("Findings that are excused, by rule and what they are about.", names=EXEMPTED),
    ] = ()
