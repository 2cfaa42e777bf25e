"""How values are checked: slowly and thoroughly by the constructor, or by one quick condition."""

from dataclasses import dataclass

from ...contract.model import EnumType, ListType, MapType, Primitive, RecordType, Type, Value
from ...contract.nodes import Bounds
from .quoting import Python, code, ident, join, lit

_OPEN = Bounds(None, None)


@dataclass(frozen=True, slots=True)
class Call:
    """A check function and what follows the field's name and value in a call of it."""

    function: str
    arguments: tuple[Python, ...] = ()
    converts: bool = False


def check_call(value: Value, of: Type | None = None) -> Call:
    """Choose the function that checks a value, or the part of it that has the type `of`."""
    match of or value.type:
        case Primitive("int"):
            return Call("check_int", _bounds(value.range, ident("INT64_MIN")))
        case Primitive("float"):
            names = {
                "error": "check_float",
                "null": "check_or_drop_float",
                "string": "check_any_float",
            }
            return Call(names[value.nonfinite], _float_bounds(value.range), converts=True)
        case Primitive("bool"):
            return Call("check_bool")
        case Primitive():
            pattern = () if value.pattern is None else (lit(value.pattern),)
            is_item = isinstance(value.type, ListType | MapType)
            bounds = () if is_item else _bounds(value.length, lit(0))
            return Call("check_pattern" if pattern else "check_str", (*pattern, *bounds))
        case EnumType(enum):
            return Call("check_open_enum" if enum.open else "check_enum", (ident(enum.name),))
        case RecordType(record):
            return Call("check_record", (ident(record.name),))
        case ListType(item):
            return _check_each(value, "check_list", item, is_outer=of is None)
        case MapType(item):
            return _check_each(value, "check_map", item, is_outer=of is None)


def _check_each(value: Value, function: str, item: Type, is_outer: bool) -> Call:
    inner = check_call(value, item)
    bounds = value.length if is_outer and value.length else _OPEN
    low, high = lit(bounds.low or 0), lit(bounds.high)
    return Call(function, (low, high, ident(inner.function), *inner.arguments), converts=True)


def _bounds(bounds: Bounds | None, lowest: Python) -> tuple[Python, ...]:
    """Return the bounds as arguments; by place, since a check of many passes them on by place."""
    if bounds is None or bounds == _OPEN:
        return ()
    low = lowest if bounds.low is None else lit(bounds.low)
    return (low,) if bounds.high is None else (low, lit(bounds.high))


def _float_bounds(bounds: Bounds | None) -> tuple[Python, ...]:
    if bounds is None:
        return ()
    low, high = (None if bound is None else float(bound) for bound in (bounds.low, bounds.high))
    return _bounds(Bounds(low, high), Python("-inf"))


def check_expression(value: Value, subject: Python) -> Python:
    """Return the call that checks `subject`, an expression for the value."""
    call = check_call(value)
    arguments = join(", ", (lit(value.name), subject, *call.arguments))
    return code("{function}({arguments})", function=ident(call.function), arguments=arguments)


def quick_condition(value: Value, name: Python) -> Python | None:
    """Return the condition under which `name` surely holds a sound value; None when no quick one exists."""
    condition = _quick(value, name)
    if condition is None or not value.nullable:
        return condition
    return code("({name} is None or ({condition}))", name=name, condition=condition)


def _quick(value: Value, name: Python) -> Python | None:
    match value.type:
        case Primitive("int"):
            return code("type({name}) is int and {range}", name=name, range=_quick_int(value, name))
        case Primitive("float"):
            return code(
                "type({name}) is float and {range}", name=name, range=_quick_float(value, name)
            )
        case Primitive("bool"):
            return code("type({name}) is bool", name=name)
        case Primitive() if value.pattern is None:
            return _quick_str(value, name)
        case EnumType(enum):
            return code("type({name}) is {enum}", name=name, enum=ident(enum.name))
        case RecordType(record):
            return code("type({name}) is {record}", name=name, record=ident(record.name))
        case _:
            return None


def _quick_int(value: Value, name: Python) -> Python:
    bounds = value.range or _OPEN
    low = ident("INT64_MIN") if bounds.low is None else lit(bounds.low)
    high = ident("INT64_MAX") if bounds.high is None else lit(bounds.high)
    return code("{low} <= {name} <= {high}", low=low, name=name, high=high)


def _quick_float(value: Value, name: Python) -> Python:
    bounds = value.range or _OPEN
    low = Python("-inf <") if bounds.low is None else code("{low} <=", low=lit(float(bounds.low)))
    high = (
        Python("< inf") if bounds.high is None else code("<= {high}", high=lit(float(bounds.high)))
    )
    return code("{low} {name} {high}", low=low, name=name, high=high)


def _quick_str(value: Value, name: Python) -> Python:
    # Text outside ASCII may hold lone surrogates, which no encoder takes; the constructor looks closer.
    sound = code("type({name}) is str and {name}.isascii()", name=name)
    bounds = value.length or _OPEN
    if bounds.high is not None:
        low = lit(bounds.low or 0)
        return code(
            "{sound} and {low} <= len({name}) <= {high}",
            sound=sound,
            low=low,
            name=name,
            high=lit(bounds.high),
        )
    if bounds.low:
        return code("{sound} and len({name}) >= {low}", sound=sound, name=name, low=lit(bounds.low))
    return sound
