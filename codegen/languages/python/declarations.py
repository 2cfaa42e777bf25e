"""Enums, records, sources, payloads and their emission helpers, as the templates print them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...contract.model import (
    Enum,
    Envelope,
    Event,
    Field,
    FromContext,
    FromSource,
    MapType,
    Record,
    Value,
)
from ...contract.nodes import Bounds
from ..wording import name_unit
from .modules import draft_name, helper_name
from .quoting import NO_BREAK, Python, code, comment, doc, ident, join, lit
from .values import (
    annotate,
    annotate_given,
    check_lines,
    default_of,
    missing_of,
    quick_check_lines,
)


class EnumView:
    """An enum."""

    def __init__(self, enum: Enum) -> None:
        self.name = ident(enum.name)
        self.doc = doc(enum.doc, indent=4)
        self.members = [
            {"name": ident(one.name), "value": lit(one.value), "doc": doc(one.doc, indent=4)}
            for one in enum.members
        ]
        self.reserved = [comment(f"{one.value} was {one.name}. {one.doc}") for one in enum.reserved]


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field of a payload, record, context or envelope: its declaration and the docstring under it."""

    declaration: Python
    doc: Python


def view_field(value: Value) -> FieldView:
    """Prepare a field."""
    declaration = _annotated(value)
    default = default_of(value)
    if isinstance(value.type, MapType) and value.default and value.default.value is not None:
        default = Python("dataclasses.field(default_factory=dict)")
    if default is not None:
        declaration = code("{declaration} = {default}", declaration=declaration, default=default)
    return FieldView(declaration, doc(document(value), indent=4))


def _annotated(value: Value) -> Python:
    return code("{name}: {annotation}", name=ident(value.name), annotation=annotate(value))


def document(value: Value) -> str:
    """Return the text of a value's docstring: its description with unit, range and deprecation."""
    notes = [name_unit(value)]
    if value.range:
        notes.append(_describe_bounds(value.range))
    # A note that is broken over two lines is hard to read.
    note = ", ".join(one for one in notes if one).replace(" ", NO_BREAK)
    text = f"{value.doc} [{note}]" if note else value.doc
    return f"{text} Deprecated: {value.deprecated}" if value.deprecated else text


def _describe_bounds(bounds: Bounds) -> str:
    if bounds.low is None and bounds.high is None:
        return ""
    if bounds.high is None:
        return f"from {bounds.low}"
    return f"up to {bounds.high}" if bounds.low is None else f"{bounds.low} to {bounds.high}"


class RecordView:
    """A record or the context: a frozen dataclass that checks its fields."""

    def __init__(self, name: str, text: str, fields: Iterable[Value]) -> None:
        values = tuple(fields)
        self.name = ident(name)
        self.doc = doc(text, indent=4)
        self.fields = [view_field(value) for value in values]
        self.checks = list(check_lines(values))


def view_record(record: Record) -> RecordView:
    """Prepare a record."""
    return RecordView(record.name, record.doc, record.fields)


class EnvelopeView(RecordView):
    """The envelope, with the function that builds one quickly."""

    def __init__(self, envelope: Envelope) -> None:
        super().__init__("Envelope", envelope.doc, envelope.fields)
        # Every line that is written has the version of the contract, which need not be matched every time.
        known = {"v": Python("self.v != VERSION")}
        self.checks = list(quick_check_lines(envelope.fields, known))
        given = [one for one in envelope.fields if one.name != "v"]
        self.given = [ident(one.name) for one in given]
        self.parameters = join(", ", [_parameter(one) for one in given])


class SourceView:
    """The protocol of an object from which helpers read fields."""

    def __init__(self, name: str, events: Iterable[Event]) -> None:
        self.name = ident(name)
        events = list(events)
        names = ", ".join(event.name for event in events)
        self.doc = doc(f"The attributes that are read to emit {names}.", indent=4)
        self.attributes = list(_attributes(events))


def _attributes(events: Iterable[Event]) -> Iterator[dict[str, Python]]:
    seen: set[str] = set()
    for event in events:
        for guard, fields in event.guards.items():
            if guard is not None and guard not in seen:
                seen.add(guard)
                names = ", ".join(one.name for one in fields)
                yield _attribute(guard, Python("bool"), f"Whether these are available: {names}.")
            for one in fields:
                assert isinstance(one.capture, FromSource)
                if one.capture.attribute not in seen:
                    seen.add(one.capture.attribute)
                    yield _attribute(
                        one.capture.attribute, annotate_given(one), _describe_capture(one)
                    )


def _attribute(name: str, annotation: Python, text: str) -> dict[str, Python]:
    return {"name": ident(name), "annotation": annotation, "doc": doc(text, indent=8)}


def _describe_capture(one: Field) -> str:
    text = document(one)
    if one.phase:
        text += f" Captured {one.phase}."
    return f"{text} Reduced: {one.reduce}." if one.reduce else text


class EventView:
    """An event: its payload and its emission helper."""

    def __init__(self, event: Event) -> None:
        text = f"{event.doc} Deprecated: {event.deprecated}" if event.deprecated else event.doc
        self.literal = lit(event.name)
        self.doc = doc(text, indent=4)
        self.payload = ident(event.payload)
        self.fields = [view_field(one) for one in event.fields]
        self.checks = list(quick_check_lines(event.fields))
        self.has_helper = event.retired is None
        self.draft = ident(draft_name(event))
        self.helper = ident(helper_name(event))
        self.helper_doc = doc(f"Emit {event.name}. {event.doc}", indent=4)
        self.parameters = _parameters(event)
        self.captures = list(_capture(event))


def _parameters(event: Event) -> Python:
    parameters = [Python("channel: Channel")]
    if event.source is not None:
        parameters.append(code("source: {source}", source=ident(event.source)))
    if event.arguments:
        parameters.append(Python("*"))
    return join(", ", [*parameters, *(_parameter(one) for one in event.arguments)])


def _parameter(value: Value) -> Python:
    parameter = code("{name}: {type}", name=ident(value.name), type=annotate_given(value))
    default = default_of(value)
    # All calls share the default of a map, which nobody changes: payloads hold a copy.
    if default is None:
        return parameter
    return code("{parameter} = {default}", parameter=parameter, default=default)


def _capture(event: Event) -> Iterator[Python]:
    """Write the statements that set the fields of a draft, in the order of the fields."""
    last_guard = None
    for one in event.fields:
        name = ident(one.name)
        value, guard = name, None
        if isinstance(one.capture, FromContext):
            value = code("channel.context.{name}", name=name)
        elif isinstance(one.capture, FromSource):
            value = code("source.{attribute}", attribute=ident(one.capture.attribute))
            guard = one.capture.guard
        if guard is not None:
            if guard != last_guard:
                last_guard = guard
                yield code("has_group = source.{guard}", guard=ident(guard))
            default = default_of(one)
            assert default is not None, "a field of a guarded group has a default"
            value = code("{value} if has_group else {default}", value=value, default=default)
        yield code("draft.{name} = {value}", name=name, value=value)


def field_info(value: Value) -> Python:
    """Write the arguments of FieldInfo for a field, without those that have their default."""
    bounds, length = value.range, value.length
    parts: dict[str, object] = {
        "unit": value.unit,
        "low": bounds.low if bounds else None,
        "high": bounds.high if bounds else None,
        "min_length": (length.low or None) if length else None,
        "max_length": length.high if length else None,
        "pattern": value.pattern,
        "nullable": value.nullable or None,
        "nonfinite": value.nonfinite if value.nonfinite != "error" else None,
        "wire": value.wire if value.wire != value.name else None,
        "aliases": value.aliases or None,
        "sensitive": value.sensitive or None,
        "plot": value.shown_as if value.shown_as != "none" else None,
    }
    given = [lit(value.name), lit(str(value.type)), lit(value.doc)]
    given += [
        code("{key}={value}", key=ident(key), value=lit(part))
        for key, part in parts.items()
        if part is not None
    ]
    missing = missing_of(value)
    if missing is not None:
        given += [Python("required=False"), code("missing={missing}", missing=missing)]
    return join(", ", given)
