"""What the Python templates see: the model's nodes with everything about them already put into Python."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from codegen.model import Enum, Event, Field, FromSource, MapType, Record, Value
from codegen.pycode.annotations import annotate, default_of
from codegen.pycode.checks import check_call, check_expression, quick_condition
from codegen.pycode.imports import natural_order
from codegen.pycode.modules import draft_name, helper_name
from codegen.pycode.quoting import Python, code, comment, doc, ident, join, lit
from codegen.spec import Bounds


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field of a payload, record or context."""

    name: Python
    declaration: Python
    doc: Python
    attribute: Python | None
    default: Python | None


@dataclass(frozen=True, slots=True)
class GuardView:
    """Fields that are captured while an attribute of the source is true."""

    attribute: Python
    fields: tuple[FieldView, ...]


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
    text = f"{value.doc} [{', '.join(note for note in notes if note)}]" if any(notes) else value.doc
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


class EventView:
    """An event: its payload, its draft and its emission helper."""

    def __init__(self, event: Event) -> None:
        views = {one.name: view_field(one) for one in event.fields}
        names = [views[one.name].name for one in event.fields]
        self.literal = lit(event.name)
        self.doc = doc(_describe_event(event), indent=4)
        self.payload = ident(event.payload)
        self.draft = ident(draft_name(event))
        self.draft_doc = doc(f"The {event.payload} while it is being filled.", indent=4)
        self.helper = ident(helper_name(event))
        self.helper_doc = doc(f"Emit {event.name}. {event.doc}", indent=4)
        self.fields = list(views.values())
        self.checks = list(check_lines(event.fields))
        self.slots = lit(tuple(sorted((one.name for one in event.fields), key=natural_order)))
        self.parameters = _parameters(event)
        guards = event.guards
        self.captured = [views[one.name] for one in guards.pop(None, ())]
        self.guards = [
            GuardView(ident(str(guard)), tuple(views[one.name] for one in fields))
            for guard, fields in guards.items()
        ]
        self.stamped = [views[one.name] for one in event.stamped]
        self.normalized = list(_normalize(event))
        self.condition = _condition(event)
        self.keywords = join(", ", [code("{name}={name}", name=name) for name in names])


def view_record(record: Record) -> RecordView:
    """Prepare a record."""
    return RecordView(record.name, record.doc, record.fields)


def _describe_event(event: Event) -> str:
    return f"{event.doc} Deprecated: {event.deprecated}" if event.deprecated else event.doc


def _parameters(event: Event) -> Python:
    parameters = [Python("channel: Channel")]
    if event.source is not None:
        parameters.append(code("source: {source}", source=ident(event.source)))
    if event.arguments:
        parameters.append(Python("*"))
    for one in event.arguments:
        declaration = code("{name}: {annotation}", name=ident(one.name), annotation=annotate(one))
        default = default_of(one)
        if default is not None and not isinstance(one.type, MapType):
            declaration = code(
                "{declaration} = {default}", declaration=declaration, default=default
            )
        parameters.append(declaration)
    return join(", ", parameters)


def _normalize(event: Event) -> Iterator[Python]:
    """Check beforehand what no quick condition can tell; the context has checked itself."""
    for one in event.fields:
        name = ident(one.name)
        if one in event.stamped or quick_condition(one, name) is not None:
            continue
        line = code("{name} = {check}", name=name, check=check_expression(one, name))
        if one.nullable:
            yield code("if {name} is not None:", name=name)
            line = code("    {line}", line=line)
        yield line


def _condition(event: Event) -> Python:
    unstamped = [one for one in event.fields if one not in event.stamped]
    conditions = [quick_condition(one, ident(one.name)) for one in unstamped]
    quick = [condition for condition in conditions if condition is not None]
    return join(" and ", [Python("CAN_SWAP"), *quick])
