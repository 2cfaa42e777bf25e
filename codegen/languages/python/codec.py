"""Values on the wire, the JSON of a log line: msgspec structs, and the functions that write and read them."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...contract.model import (
    Enum,
    EnumType,
    Event,
    ListType,
    MapType,
    Primitive,
    Record,
    RecordType,
    Type,
    Value,
)
from ...contract.nodes import INT64, OPEN, Bounds
from .modules import draft_name, table_name, wire_names
from .quoting import Python, code, doc, ident, join, lit
from .values import missing_of


def num_required_keys(fields: Iterable[Value]) -> int:
    """Return how many keys an object of JSON with these fields must have."""
    return sum(one.missing is None for one in fields)


class WireNames:
    """The names of an event or record, of its wire struct, and of the functions that write and read it."""

    def __init__(self, owner: Event | Record) -> None:
        self.literal = lit(owner.name)
        cls = owner.payload if isinstance(owner, Event) else owner.name
        self.cls, self.cls_literal = ident(cls), lit(cls)
        self.struct, self.writer, self.reader = (ident(name) for name in wire_names(owner))
        self.num_keys = lit(num_required_keys(owner.fields))


class WireView(WireNames):
    """The wire struct of an event or record, and the functions between it and the payload or record."""

    def __init__(self, owner: Event | Record, variable: str) -> None:
        super().__init__(owner)
        name = self.cls
        self.owner = ident(variable)
        # A record is read by its constructor, because records are few and may hold each other.
        self.draft = ident(draft_name(owner)) if isinstance(owner, Event) else None
        self.doc = doc(f"{name} on the wire.", indent=4)
        self.writer_doc = doc(f"Convert {name} to its wire struct.", indent=4)
        self.reader_doc = doc(
            f"Build {name} from its wire struct, which msgspec has checked.", indent=4
        )
        self.fields = [view_wire_field(value, variable) for value in owner.fields]
        self.writing = _keywords((field.name, field.write) for field in self.fields)
        self.reading = _keywords((field.name, field.read) for field in self.fields)


def view_event_wire(event: Event) -> WireView:
    """Prepare the wire struct of an event's payload."""
    return WireView(event, "payload")


def view_record_wire(record: Record) -> WireView:
    """Prepare the wire struct of a record."""
    return WireView(record, "record")


def _keywords(pairs: Iterable[tuple[Python, Python]]) -> Python:
    return join(", ", [code("{name}={value}", name=name, value=value) for name, value in pairs])


class EnumWireView:
    """The table of an enum's members by name."""

    def __init__(self, enum: Enum) -> None:
        self.name = ident(enum.name)
        self.table = ident(table_name(enum.name))


@dataclass(frozen=True, slots=True)
class WireFieldView:
    """A field of a wire struct: its declaration, and the expressions that write and read it."""

    name: Python
    declaration: Python
    write: Python
    read: Python


def view_wire_field(value: Value, owner: str) -> WireFieldView:
    """Prepare a field; `owner` is the name of the variable that holds the payload or record."""
    name = ident(value.name)
    declaration = code("{name}: {type}", name=name, type=wire_annotation(value))
    settings = _settings(value)
    if settings:
        declaration = code("{declaration} = {settings}", declaration=declaration, settings=settings)
    held, wire = (code("{owner}.{name}", owner=ident(one), name=name) for one in (owner, "wire"))
    return WireFieldView(
        name,
        declaration,
        _optional(value, held, _write(value, value.type, held)),
        _optional(value, wire, _read(value, value.type, wire, is_frozen=owner != "record")),
    )


def _optional(value: Value, subject: Python, expression: Python) -> Python:
    if not value.nullable or expression == subject:
        return expression
    return code("None if {subject} is None else {rest}", subject=subject, rest=expression)


def _settings(value: Value) -> Python | None:
    """Return the right side of a declaration: the key on the wire and the default, where there are any."""
    is_map = value.missing is not None and isinstance(value.missing.value, dict)
    if value.wire == value.name and not is_map:
        return missing_of(value)
    settings = []
    if value.wire != value.name:
        settings.append(code("name={wire}", wire=lit(value.wire)))
    missing = missing_of(value)
    if missing is not None:
        default = code("default={missing}", missing=missing)
        settings.append(Python("default_factory=dict") if is_map else default)
    return code("msgspec.field({settings})", settings=join(", ", settings))


def wire_annotation(value: Value) -> Python:
    """Return the annotation from which msgspec derives how to decode and check a value."""
    annotation = _annotate(value, value.type, is_outer=True)
    return code("{annotation} | None", annotation=annotation) if value.nullable else annotation


def _annotate(value: Value, type_: Type, is_outer: bool) -> Python:
    length = value.length if is_outer else None
    match type_:
        case Primitive("int"):
            return _constrain(Python("int"), (value.range or OPEN).within(INT64), "ge", "le")
        case Primitive("float"):
            number = _constrain(Python("float"), _to_floats(value.range), "ge", "le")
            return (
                code("{number} | NonFinite", number=number)
                if value.nonfinite == "string"
                else number
            )
        case Primitive("bool"):
            return Python("bool")
        case Primitive():
            return _constrain(
                Python("str"), length or OPEN, "min_length", "max_length", value.pattern
            )
        case EnumType():
            # The reader looks the name up; the strict reader reports one that does not exist.
            return Python("str")
        case RecordType(record):
            return ident(wire_names(record)[0])
        case ListType(item):
            inner = code("tuple[{item}, ...]", item=_annotate(value, item, is_outer=False))
            return _constrain(inner, length or OPEN, "min_length", "max_length")
        case MapType(item):
            inner = code("Mapping[str, {item}]", item=_annotate(value, item, is_outer=False))
            return _constrain(inner, length or OPEN, "min_length", "max_length")


def _constrain(
    base: Python, bounds: Bounds, low: str, high: str, pattern: str | None = None
) -> Python:
    limits = [
        code("{name}={bound}", name=ident(name), bound=lit(bound))
        for name, bound in ((low, bounds.low), (high, bounds.high))
        if bound is not None
    ]
    if pattern is not None:
        limits.append(code("pattern={pattern}", pattern=lit(rf"^(?:{pattern})\Z")))
    if not limits:
        return base
    return code("Annotated[{base}, Meta({limits})]", base=base, limits=join(", ", limits))


def _to_floats(bounds: Bounds | None) -> Bounds:
    if bounds is None:
        return OPEN
    return Bounds(*(None if one is None else float(one) for one in (bounds.low, bounds.high)))


def _write(value: Value, type_: Type, subject: Python) -> Python:
    match type_:
        case Primitive("float") if value.nonfinite == "string":
            return code(
                "{subject} if -inf < {subject} < inf else write_nonfinite({subject})",
                subject=subject,
            )
        case EnumType():
            return code("{subject}._name_", subject=subject)
        case RecordType(record):
            writer = ident(wire_names(record)[1])
            return code("{writer}({subject})", writer=writer, subject=subject)
        case ListType(item):
            return _each(subject, _write(value, item, Python("item")), is_list=True)
        case MapType(item):
            return _each(subject, _write(value, item, Python("item")), is_list=False)
        case _:
            return subject


def _read(value: Value, type_: Type, subject: Python, *, is_frozen: bool) -> Python:
    """Return the expression that reads a value; the constructor of a record freezes its maps, a draft does not."""
    match type_:
        case Primitive("float") if value.nonfinite == "string":
            return code(
                "{subject} if type({subject}) is float else float({subject})", subject=subject
            )
        case EnumType(enum):
            table = ident(table_name(enum.name))
            return code("{table}[{subject}]", table=table, subject=subject)
        case RecordType(record):
            reader = ident(wire_names(record)[2])
            return code("{reader}({subject})", reader=reader, subject=subject)
        case ListType(item):
            inner = _read(value, item, Python("item"), is_frozen=is_frozen)
            return _each(subject, inner, is_list=True)
        case MapType(item):
            inner = _read(value, item, Python("item"), is_frozen=is_frozen)
            copied = _each(subject, inner, is_list=False)
            return code("FrozenMap({map})", map=copied) if is_frozen else copied
        case _:
            return subject


def _each(subject: Python, item: Python, is_list: bool) -> Python:
    if item == "item":
        return subject
    if is_list:
        return code(
            "tuple([{item} for item in {subject}]) if {subject} else ()", item=item, subject=subject
        )
    return code("{{key: {item} for key, item in {subject}.items()}}", item=item, subject=subject)
