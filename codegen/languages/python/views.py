"""What the Python templates see: the model's nodes with everything about them already put into Python."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...contract.model import Enum, Event, Field, FromSource, MapType, Record, Value
from ...contract.nodes import Bounds
from .annotations import annotate, default_of
from .checks import check_call, check_expression
from .quoting import NO_BREAK, Python, code, comment, doc, ident, lit


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field of a payload, record or context."""

    name: Python
    declaration: Python
    doc: Python
    attribute: Python | None
    default: Python | None


def view_field(value: Value) -> FieldView:
    """Prepare a field."""
    default = default_of(value)
    name = ident(value.name)
    declaration = code("{name}: {annotation}", name=name, annotation=annotate(value))
    if isinstance(value.type, MapType) and value.default and value.default.value is not None:
        declaration = code(
            "{declaration} = dataclasses.field(default_factory=dict)", declaration=declaration
        )
    elif default is not None:
        declaration = code("{declaration} = {default}", declaration=declaration, default=default)
    captured = isinstance(value, Field) and isinstance(value.capture, FromSource)
    attribute = ident(value.capture.attribute) if captured else None  # type: ignore[attr-defined] # captured
    return FieldView(name, declaration, doc(describe(value), indent=4), attribute, default)


def describe(value: Value) -> str:
    """Return the doc text of a value with its unit and range."""
    notes = [value.unit] if value.unit and value.unit != "1" else []
    if value.range:
        notes.append(_describe_bounds(value.range))
    # A note that is broken over two lines is hard to read.
    said = ", ".join(note for note in notes if note).replace(" ", NO_BREAK)
    text = f"{value.doc} [{said}]" if said else value.doc
    return f"{text} Deprecated: {value.deprecated}" if value.deprecated else text


def _describe_bounds(bounds: Bounds) -> str:
    if bounds.low is None and bounds.high is None:
        return ""
    if bounds.high is None:
        return f"from {bounds.low}"
    return f"up to {bounds.high}" if bounds.low is None else f"{bounds.low} to {bounds.high}"


def check_lines(values: Iterable[Value]) -> Iterator[Python]:
    """Write the statements with which a constructor checks its fields."""
    for value in values:
        subject = code("self.{name}", name=ident(value.name))
        line = check_expression(value, subject)
        if check_call(value).converts:
            line = code("set_field(self, {name}, {call})", name=lit(value.name), call=line)
        if value.nullable:
            yield code("if {subject} is not None:", subject=subject)
            line = code("    {line}", line=line)
        yield line


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


class RecordView:
    """A record, the context or the envelope: a dataclass that checks itself."""

    def __init__(self, name: str, text: str, fields: Iterable[Value]) -> None:
        values = tuple(fields)
        self.name = ident(name)
        self.doc = doc(text, indent=4)
        self.fields = [view_field(value) for value in values]
        self.checks = list(check_lines(values))


class SourceView:
    """The protocol of what events are read from."""

    def __init__(self, name: str, events: Iterable[Event]) -> None:
        self.name = ident(name)
        events = list(events)
        told = ", ".join(event.name for event in events)
        self.doc = doc(f"What these are read from: {told}.", indent=4)
        self.attributes = list(_attributes(events))


def _attributes(events: Iterable[Event]) -> Iterator[dict[str, Python]]:
    seen: set[str] = set()
    for event in events:
        for guard, fields in event.guards.items():
            if guard is not None and guard not in seen:
                seen.add(guard)
                names = ", ".join(one.name for one in fields)
                yield _attribute(guard, Python("bool"), f"Whether there are {names}.")
            for one in fields:
                assert isinstance(one.capture, FromSource)
                if one.capture.attribute not in seen:
                    seen.add(one.capture.attribute)
                    yield _attribute(one.capture.attribute, annotate(one), _describe_capture(one))


def _attribute(name: str, annotation: Python, text: str) -> dict[str, Python]:
    return {"name": ident(name), "annotation": annotation, "doc": doc(text, indent=8)}


def _describe_capture(one: Field) -> str:
    text = describe(one)
    if one.phase:
        text += f" Captured {one.phase}."
    return f"{text} Reduced: {one.reduce}." if one.reduce else text


def view_record(record: Record) -> RecordView:
    """Prepare a record."""
    return RecordView(record.name, record.doc, record.fields)
