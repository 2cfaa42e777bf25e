"""The form of a contract file: one class for each kind of mapping in the YAML.

These classes are the only description of the form. `bind` reads files with them and `schema` derives the JSON Schema
from them, so editors and the compiler agree. A contract with its names resolved is in `model`.
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
from .nodes import Bounds, Given, Key, Level, Node, Plot, Stability, Stamp
from .promises import Exemption, Promise, Upcast


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MemberSpec(Node):
    """A member of an enum."""

    value: Annotated[int, Key("Number of the member, which never changes.")]
    doc: Annotated[str, Key("Meaning of the member.", form=SENTENCE)]
    deprecated: Annotated[str | None, Key("Reason for not using it any more.", form=SENTENCE)] = (
        None
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EnumSpec(Node):
    """An enum; on the wire, a member is written by its name."""

    doc: Annotated[str, Key("Meaning of the enum.", form=SENTENCE)]
    open: Annotated[bool, Key("Whether readers accept unknown names.")] = False
    members: Annotated[tuple[MemberSpec, ...], Key("Members.", names=CONSTANT)]
    reserved: Annotated[
        tuple[MemberSpec, ...],
        Key("Removed members, whose names and numbers stay reserved.", names=CONSTANT),
    ] = ()
    renamed_from: Annotated[str | None, Key("Former name.", form=TYPE_NAME)] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ValueSpec(Node):
    """A named value: the keys that every kind of field has."""

    type: Annotated[
        str,
        Key("int, float, bool, str, an enum or a record; [] makes a list, {} a map.", form=TYPE),
    ]
    doc: Annotated[str, Key("Meaning of the value.", form=SENTENCE)]
    unit: Annotated[str | None, Key('Unit of a number; "1" for a bare count.', form=UNIT)] = None
    range: Annotated[Bounds | None, Key("Least and greatest value; null leaves a side open.")] = (
        None
    )
    length: Annotated[Bounds | None, Key("Least and greatest length of a text, list or map.")] = (
        None
    )
    pattern: Annotated[str | None, Key("Pattern that the whole text matches.", form=REGEX)] = None
    nullable: Annotated[bool, Key("Whether null, which means not measured, is allowed.")] = False
    nonfinite: Annotated[
        Literal["error", "null", "string"],
        Key("Treatment of NaN and infinities: an error, null, or written as a text."),
    ] = "error"
    default: Annotated[Given | None, Key("Value if the constructor does not get one.")] = None
    missing: Annotated[Given | None, Key("Value for a reader if the key is missing.")] = None
    wire: Annotated[str | None, Key("Key on the wire; by default the name.", form=WIRE_NAME)] = None
    aliases: Annotated[tuple[str, ...], Key("Other keys that readers accept.", form=WIRE_NAME)] = ()
    sensitive: Annotated[
        bool, Key("Whether sinks and exports leave it out unless it is asked for by name.")
    ] = False
    plot: Annotated[
        Plot | None,
        Key(
            "How tools show it: a curve, its x axis, the name of the curve, a text, or not;"
            ' by default a curve for a float, or an int with a unit other than "1".'
        ),
    ] = None
    stability: Annotated[Stability | None, Key("How stable it is.")] = None
    since: Annotated[str | None, Key("Version that added it.", form=VERSION)] = None
    deprecated: Annotated[str | None, Key("Reason for not using it any more.", form=SENTENCE)] = (
        None
    )
    renamed_from: Annotated[str | None, Key("Former name.", form=NAME)] = None
    owner: Annotated[str | None, Key("Who is responsible for it.", form=SENTENCE)] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FieldSpec(ValueSpec):
    """A field of an event: a value, and the place that it is taken from."""

    from_: Annotated[
        str | None, Key("Attribute of the source from which it is read.", form=NAME)
    ] = None
    arg: Annotated[bool, Key("Whether it is an argument of the emission helper.")] = False
    phase: Annotated[str | None, Key("Time at which it is captured.", form=SENTENCE)] = None
    reduce: Annotated[str | None, Key("How several values were reduced to one.", form=SENTENCE)] = (
        None
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ContextSpec(ValueSpec):
    """A value that is bound to a channel once and is written with its events."""

    place: Annotated[Literal["payload", "envelope"], Key("Place where it is written.")]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReservedSpec(Node):
    """A removed name, which is not used again."""

    doc: Annotated[str, Key("Former meaning.", form=SENTENCE)]
    last: Annotated[str | None, Key("Last version that had it.", form=VERSION)] = None
    wire: Annotated[
        str | None, Key("Former key on the wire; by default the name.", form=WIRE_NAME)
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupSpec(Node):
    """Fields that are captured together, or all have their defaults."""

    doc: Annotated[str, Key("Meaning of the fields together.", form=SENTENCE)]
    when: Annotated[
        str,
        Key(
            "Attribute of the source; while it is false, the fields have their defaults.", form=NAME
        ),
    ]
    fields: Annotated[tuple[FieldSpec, ...], Key("Fields.", names=NAME)]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RecordSpec(Node):
    """Values that belong together, in payloads or passed between parts of the program."""

    doc: Annotated[str, Key("Meaning of the record.", form=SENTENCE)]
    fields: Annotated[tuple[ValueSpec, ...], Key("Fields.", names=NAME)]
    reserved: Annotated[tuple[ReservedSpec, ...], Key("Removed fields.", names=NAME)] = ()
    stability: Annotated[Stability, Key("How stable it is.")] = "stable"
    renamed_from: Annotated[str | None, Key("Former name.", form=TYPE_NAME)] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EnvelopeFieldSpec(ValueSpec):
    """A key of every line."""

    stamp: Annotated[
        Stamp | None,
        Key("Where the generated channel takes it from; without it, the channel's user gives it."),
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EnvelopeSpec(Node):
    """The keys of every line besides its payload; `event` and `v` (version) are always among them."""

    doc: Annotated[str, Key("Meaning of the envelope.", form=SENTENCE)]
    fields: Annotated[tuple[EnvelopeFieldSpec, ...], Key("Fields.", names=NAME)]
    order: Annotated[tuple[str, ...], Key("Order of the keys on a line.", form=NAME)] = ()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FamilySpec(Node):
    """A family of events, which share a generated module."""

    doc: Annotated[str, Key("Subject of the events.", form=SENTENCE)]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EventSpec(Node):
    """A kind of event that the program emits."""

    doc: Annotated[str, Key("Meaning of the event, as a sentence.", form=SENTENCE)]
    family: Annotated[str, Key("Family it belongs to.", form=NAME)]
    payload: Annotated[str, Key("Name of the payload class.", form=TYPE_NAME)]
    source: Annotated[
        str | None,
        Key("Name of the protocol of the object from which fields are read.", form=TYPE_NAME),
    ] = None
    context: Annotated[tuple[str, ...], Key("Context fields in its payload.", form=NAME)] = ()
    fields: Annotated[tuple[FieldSpec, ...], Key("Fields of this event alone.", names=NAME)] = ()
    include: Annotated[tuple[str, ...], Key("Groups whose fields it has as well.", form=NAME)] = ()
    carry: Annotated[
        str | None, Key("Record whose fields it has as well, read from the source.", form=TYPE_NAME)
    ] = None
    omit: Annotated[
        tuple[str, ...], Key("Fields of that record that it does not have.", form=NAME)
    ] = ()
    reserved: Annotated[tuple[ReservedSpec, ...], Key("Removed fields.", names=NAME)] = ()
    stability: Annotated[Stability, Key("How stable it is.")] = "stable"
    since: Annotated[str | None, Key("Version that added it.", form=VERSION)] = None
    deprecated: Annotated[str | None, Key("Reason for not using it any more.", form=SENTENCE)] = (
        None
    )
    renamed_from: Annotated[str | None, Key("Former name.", form=CONSTANT)] = None
    owner: Annotated[str | None, Key("Who is responsible for it.", form=SENTENCE)] = None
    promise: Annotated[Promise | None, Key("How far it may change.")] = None
    retired: Annotated[
        str | None, Key("Version that stopped emitting it; readers still know it.", form=VERSION)
    ] = None
    cadence: Annotated[str | None, Key("How often it is emitted.", form=SENTENCE)] = None
    level: Annotated[Level, Key("How important it is; sinks can leave out what is below.")] = "info"
    revision: Annotated[
        int, Key("Number that is raised when the meaning of its values changes.")
    ] = 1
    note: Annotated[str | None, Key("Change in its newest revision.", form=SENTENCE)] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class UnitSpec(Node):
    """A unit of measurement."""

    doc: Annotated[str, Key("Meaning of the unit.", form=SENTENCE)]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ContractSpec(Node):
    """A telemetry contract: every event, record, field, unit and enum that leaves the process."""

    version: Annotated[str, Key("Version of the contract.", form=VERSION)]
    owner: Annotated[
        str, Key("Who is responsible for everything without an owner of its own.", form=SENTENCE)
    ]
    units: Annotated[
        tuple[UnitSpec, ...], Key('Units; "1", a bare count, need not be listed.', names=UNIT)
    ] = ()
    enums: Annotated[tuple[EnumSpec, ...], Key("Enums.", names=TYPE_NAME)] = ()
    envelope: Annotated[EnvelopeSpec, Key("Keys of every line besides its payload.")]
    context: Annotated[
        tuple[ContextSpec, ...],
        Key("Values that are bound to a channel.", names=NAME),
    ] = ()
    groups: Annotated[tuple[GroupSpec, ...], Key("Groups of fields.", names=NAME)] = ()
    records: Annotated[tuple[RecordSpec, ...], Key("Records.", names=TYPE_NAME)] = ()
    families: Annotated[tuple[FamilySpec, ...], Key("Families of events.", names=NAME)]
    events: Annotated[tuple[EventSpec, ...], Key("Events.", names=CONSTANT)]
    retired: Annotated[tuple[ReservedSpec, ...], Key("Removed events.", names=CONSTANT)] = ()
    promise: Annotated[Promise | None, Key("How far events may change.")] = None
    upcasts: Annotated[
        tuple[Upcast, ...], Key("How old records become new ones, by version.", names=VERSION)
    ] = ()
    exemptions: Annotated[
        tuple[Exemption, ...],
        Key("Excused findings, by rule and subject.", names=EXEMPTED),
    ] = ()
