"""What the templates of the wire modules, the codec and the registry see."""

from collections.abc import Iterable

from ...contract.model import Enum, Event, Record, Value
from .modules import draft_name, table_name, wire_names
from .quoting import Python, code, doc, ident, join, lit
from .wire import missing_of, view_wire


class WireNames:
    """The names by which an event or record is written and read."""

    def __init__(self, owner: Event | Record) -> None:
        self.literal = lit(owner.name)
        self.cls = ident(owner.payload if isinstance(owner, Event) else owner.name)
        self.struct, self.writer, self.reader = (ident(name) for name in wire_names(owner))


class WireView(WireNames):
    """A wire struct and the two functions between it and what it stands for."""

    def __init__(self, owner: Event | Record, variable: str) -> None:
        super().__init__(owner)
        name = self.cls
        self.owner = ident(variable)
        self.draft: Python | None = None
        self.doc = doc(f"{name} on the wire.", indent=4)
        self.writer_doc = doc(f"Put {name} into the form of the wire.", indent=4)
        self.reader_doc = doc(
            f"Build {name} from the wire, whose types have been checked.", indent=4
        )
        self.fields = [view_wire(value, variable) for value in owner.fields]
        self.writing = _keywords((field.name, field.write) for field in self.fields)
        self.reading = _keywords((field.name, field.read) for field in self.fields)


def _keywords(pairs: Iterable[tuple[Python, Python]]) -> Python:
    return join(", ", [code("{name}={value}", name=name, value=value) for name, value in pairs])


class EventWireView(WireView):
    """The wire struct of an event's payload."""

    def __init__(self, event: Event) -> None:
        super().__init__(event, "payload")
        self.draft = ident(draft_name(event))


def view_record_wire(record: Record) -> WireView:
    """Prepare the wire struct of a record."""
    return WireView(record, "record")


class EnumWireView:
    """The table of an enum's members by name."""

    def __init__(self, enum: Enum) -> None:
        self.name = ident(enum.name)
        self.table = ident(table_name(enum.name))


def field_info(value: Value) -> Python:
    """Write the arguments with which the registry describes a field, leaving defaults out."""
    bounds, length = value.range, value.length
    parts: dict[str, object] = {
        "name": value.name,
        "type": str(value.type),
        "doc": value.doc,
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
    }
    given = [
        code("{key}={value}", key=ident(key), value=lit(part))
        for key, part in parts.items()
        if part is not None
    ]
    missing = missing_of(value)
    if missing is not None:
        given += [Python("required=False"), code("missing={missing}", missing=missing)]
    return join(", ", given)
