"""How values look on a log line: their types there, and the ways there and back."""

from dataclasses import dataclass

from ...contract.model import EnumType, ListType, MapType, Primitive, RecordType, Type, Value
from ...contract.nodes import Bounds
from .modules import table_name, wire_names
from .quoting import Python, code, ident, join, lit

_OPEN = Bounds(None, None)
# What the name of a member looks like, as check_open_enum has it.
_MEMBER = "[A-Z][A-Z0-9_]{0,63}"


@dataclass(frozen=True, slots=True)
class WireView:
    """A field of a wire struct: its declaration, and the expressions that fill it and read it back."""

    name: Python
    declaration: Python
    write: Python
    read: Python


def view_wire(value: Value, owner: str) -> WireView:
    """Prepare a field for the wire; `owner` is what the code calls the object that it is a field of."""
    name = ident(value.name)
    declaration = code("{name}: {type}", name=name, type=wire_annotation(value))
    settings = _settings(value)
    if settings:
        declaration = code("{declaration} = {settings}", declaration=declaration, settings=settings)
    told, wire = (code("{owner}.{name}", owner=ident(one), name=name) for one in (owner, "wire"))
    return WireView(
        name,
        declaration,
        _optional(value, told, _write(value, value.type, told)),
        _optional(value, wire, _read(value, value.type, wire)),
    )


def _optional(value: Value, subject: Python, expression: Python) -> Python:
    if not value.nullable or expression == subject:
        return expression
    return code("None if {subject} is None else {rest}", subject=subject, rest=expression)


def _settings(value: Value) -> Python | None:
    """Return what a declaration is set to: the key on the wire, and what stands when it is missing."""
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


def missing_of(value: Value) -> Python | None:
    """Return the literal that stands on the wire for a value that is missing; None when it must not be."""
    if value.missing is None:
        return None
    return lit(_freeze(value.type, value.missing.value))


def _freeze(of: Type, plain: object) -> object:
    if isinstance(of, ListType) and isinstance(plain, list):
        return tuple(_freeze(of.item, item) for item in plain)
    if of == Primitive("float") and isinstance(plain, int):
        return float(plain)
    return plain


def wire_annotation(value: Value) -> Python:
    """Return the annotation by which msgspec decodes and checks a value."""
    annotation = _annotate(value, value.type, is_outer=True)
    return code("{annotation} | None", annotation=annotation) if value.nullable else annotation


def _annotate(value: Value, of: Type, is_outer: bool) -> Python:
    length = value.length if is_outer else None
    match of:
        case Primitive("int"):
            return _constrain(Python("int"), _to_int64(value.range or _OPEN), "ge", "le")
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
                Python("str"), length or _OPEN, "min_length", "max_length", value.pattern
            )
        case EnumType(enum):
            # Reading looks the name up, and the strict reader says what is wrong with one that is not there.
            pattern = _MEMBER if enum.open else None
            return _constrain(Python("str"), _OPEN, "min_length", "max_length", pattern)
        case RecordType(record):
            return ident(wire_names(record)[0])
        case ListType(item):
            inner = code("tuple[{item}, ...]", item=_annotate(value, item, is_outer=False))
            return _constrain(inner, length or _OPEN, "min_length", "max_length")
        case MapType(item):
            inner = code("Mapping[str, {item}]", item=_annotate(value, item, is_outer=False))
            return _constrain(inner, length or _OPEN, "min_length", "max_length")


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


def _to_int64(bounds: Bounds) -> Bounds:
    low = -(2**63) if bounds.low is None else bounds.low
    return Bounds(low, 2**63 - 1 if bounds.high is None else bounds.high)


def _to_floats(bounds: Bounds | None) -> Bounds:
    if bounds is None:
        return _OPEN
    return Bounds(*(None if one is None else float(one) for one in (bounds.low, bounds.high)))


def _write(value: Value, of: Type, subject: Python) -> Python:
    match of:
        case Primitive("float") if value.nonfinite == "string":
            return code(
                "{subject} if -inf < {subject} < inf else spell({subject})", subject=subject
            )
        case EnumType(enum):
            if enum.open:
                return code(
                    "{subject} if isinstance({subject}, str) else {subject}._name_", subject=subject
                )
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


def _read(value: Value, of: Type, subject: Python) -> Python:
    match of:
        case Primitive("float") if value.nonfinite == "string":
            return code(
                "{subject} if type({subject}) is float else float({subject})", subject=subject
            )
        case EnumType(enum):
            table = ident(table_name(enum.name))
            if enum.open:
                return code("{table}.get({subject}, {subject})", table=table, subject=subject)
            return code("{table}[{subject}]", table=table, subject=subject)
        case RecordType(record):
            reader = ident(wire_names(record)[2])
            return code("{reader}({subject})", reader=reader, subject=subject)
        case ListType(item):
            return _each(subject, _read(value, item, Python("item")), is_list=True)
        case MapType(item):
            return _each(subject, _read(value, item, Python("item")), is_list=False)
        case _:
            return subject


def _each(subject: Python, item: Python, is_list: bool) -> Python:
    if item == "item":
        return subject
    if is_list:
        return code("tuple([{item} for item in {subject}])", item=item, subject=subject)
    return code("{{key: {item} for key, item in {subject}.items()}}", item=item, subject=subject)
