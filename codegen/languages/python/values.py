"""How a value of the contract is written in Python: its type, its default, and the statements that check it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ...contract.model import EnumType, ListType, MapType, Primitive, RecordType, Type, Value
from ...contract.nodes import OPEN, Bounds
from .quoting import Python, code, ident, join, lit


def annotate(value: Value) -> Python:
    """Return the annotation of a value."""
    return _or_none(value, annotate_type(value.type))


def annotate_given(value: Value) -> Python:
    """Return the annotation of a value that a caller or a source gives: any sequence for a list."""
    return _or_none(value, annotate_type(value.type, is_given=True))


def _or_none(value: Value, annotation: Python) -> Python:
    return code("{item} | None", item=annotation) if value.nullable else annotation


def annotate_type(type_: Type, *, is_given: bool = False) -> Python:
    """Return the annotation of a type; a list becomes a tuple, because a payload must not change."""
    match type_:
        case Primitive(name):
            return ident(name)
        case EnumType(enum):
            return ident(enum.name)
        case RecordType(record):
            return ident(record.name)
        case ListType(item):
            form = "Sequence[{item}]" if is_given else "tuple[{item}, ...]"
            return code(form, item=annotate_type(item, is_given=is_given))
        case MapType(item):
            return code("Mapping[str, {item}]", item=annotate_type(item, is_given=is_given))


def default_of(value: Value) -> Python | None:
    """Return the default of the constructor's parameter as an expression; None if it is required."""
    if value.default is None:
        return None
    return literal_of(value.type, value.default.value)


def literal_of(type_: Type, plain: object) -> Python:
    """Return the expression for a value of type `type_` that the contract gives as plain YAML."""
    match type_:
        case _ if plain is None:
            return lit(None)
        case EnumType(enum):
            return code("{enum}.{member}", enum=ident(enum.name), member=ident(str(plain)))
        case ListType(item):
            assert isinstance(plain, list)
            items = [literal_of(item, one) for one in plain]
            return Python(f"({''.join(f'{one}, ' for one in items)})")
        case Primitive("float"):
            assert isinstance(plain, int | float)
            return lit(float(plain))
        case MapType():
            return Python("{}")
        case _:
            return lit(plain)


def missing_of(value: Value) -> Python | None:
    """Return the literal in the form of the wire that a reader uses if a value is missing; None if it is required."""
    if value.missing is None:
        return None
    return lit(_freeze(value.type, value.missing.value))


def _freeze(type_: Type, plain: object) -> object:
    if isinstance(type_, ListType) and isinstance(plain, list):
        return tuple(_freeze(type_.item, item) for item in plain)
    if type_ == Primitive("float") and isinstance(plain, int):
        return float(plain)
    return plain


def check_lines(values: Iterable[Value]) -> Iterator[Python]:
    """Write the statements by which a constructor checks its fields, one call for each field."""
    for value in values:
        subject = code("self.{name}", name=ident(value.name))
        if value.nullable:
            yield code("if {subject} is not None:", subject=subject)
            yield code("    {check}", check=_check(value, subject))
        else:
            yield _check(value, subject)


def checked(value: Value, target: Python, given: Python) -> Iterator[Python]:
    """Write the statements that check `given`, the value of a field, and assign it to `target`."""
    call = _call(value, value.type)
    arguments = join(", ", (lit(value.name), given, *call.arguments))
    check = code("{function}({arguments})", function=ident(call.function), arguments=arguments)
    if call.converts:
        if value.nullable:
            check = code("None if {given} is None else {check}", given=given, check=check)
        yield code("{target} = {check}", target=target, check=check)
        return
    if value.nullable:
        yield code("if {given} is not None:", given=given)
        yield code("    {check}", check=check)
    else:
        yield check
    yield code("{target} = {given}", target=target, given=given)


def quick_check_lines(
    values: Iterable[Value], known: Mapping[str, Python] | None = None
) -> Iterator[Python]:
    """Write the same checks, each after a quick condition that skips the call for nearly every valid value.

    Nearly every value is valid, and the calls would take longer than all the rest of an emission. `known` holds
    conditions, by the field's name, for fields whose type has no quick one.
    """
    for value in values:
        subject = code("self.{name}", name=ident(value.name))
        suspect = (known or {}).get(value.name) or _may_be_invalid(value, subject)
        if suspect is None:
            yield from check_lines([value])
            continue
        if value.nullable:
            suspect = code("{subject} is not None and {suspect}", subject=subject, suspect=suspect)
        yield code("if {suspect}:", suspect=suspect)
        yield code("    {check}", check=_check(value, subject))


@dataclass(frozen=True, slots=True)
class _Call:
    """A check function and its arguments after the field's name and value."""

    function: str
    arguments: tuple[Python, ...] = ()
    converts: bool = False


def _check(value: Value, subject: Python) -> Python:
    """Return the statement that checks `subject`, and sets the field if the check may convert it."""
    call = _call(value, value.type)
    check = code(
        "{function}({arguments})",
        function=ident(call.function),
        arguments=join(", ", (lit(value.name), subject, *call.arguments)),
    )
    if not call.converts:
        return check
    return code("set_field(self, {name}, {check})", name=lit(value.name), check=check)


def _call(value: Value, type_: Type) -> _Call:
    """Choose the function that checks a value, or the part of it that has the type `type_`."""
    match type_:
        case Primitive("int"):
            bounds = _bounds(value.range, ident("INT64_MIN"))
            return _Call("check_int", bounds, converts=True)
        case Primitive("float"):
            names = {
                "error": "check_float",
                "null": "check_or_drop_float",
                "string": "check_any_float",
            }
            return _Call(names[value.nonfinite], _float_bounds(value.range), converts=True)
        case Primitive("bool"):
            return _Call("check_bool")
        case Primitive():
            pattern = () if value.pattern is None else (lit(value.pattern),)
            is_item = isinstance(value.type, ListType | MapType)
            bounds = () if is_item else _bounds(value.length, lit(0))
            name = "check_pattern" if pattern else "check_str"
            return _Call(name, (*pattern, *bounds), converts=True)
        case EnumType(enum):
            return _Call("check_enum", (ident(enum.name),))
        case RecordType(record):
            return _Call("check_record", (ident(record.name),))
        case ListType(item):
            return _call_for_each(value, "check_list", item, is_outer=type_ is value.type)
        case MapType(item):
            return _call_for_each(value, "check_map", item, is_outer=type_ is value.type)


def _call_for_each(value: Value, function: str, item: Type, is_outer: bool) -> _Call:
    inner = _call(value, item)
    bounds = value.length if is_outer and value.length else OPEN
    low, high = lit(bounds.low or 0), lit(bounds.high)
    return _Call(function, (low, high, ident(inner.function), *inner.arguments), converts=True)


def _bounds(bounds: Bounds | None, lowest: Python) -> tuple[Python, ...]:
    """Return the bounds as positional arguments, because check_list and check_map pass theirs on by position."""
    if bounds is None or bounds == OPEN:
        return ()
    low = lowest if bounds.low is None else lit(bounds.low)
    return (low,) if bounds.high is None else (low, lit(bounds.high))


def _float_bounds(bounds: Bounds | None) -> tuple[Python, ...]:
    if bounds is None:
        return ()
    low, high = (None if bound is None else float(bound) for bound in (bounds.low, bounds.high))
    return _bounds(Bounds(low, high), Python("-inf"))


def _may_be_invalid(value: Value, name: Python) -> Python | None:
    """Return a quick condition that is true for every invalid value of `name`, and for some valid ones.

    None if there is no quick condition for the type.
    """
    match value.type:
        case Primitive("bool"):
            return code("type({name}) is not bool", name=name)
        case EnumType(enum):
            return code("type({name}) is not {enum}", name=name, enum=ident(enum.name))
        case RecordType(record):
            return code("type({name}) is not {record}", name=name, record=ident(record.name))
        case Primitive("int"):
            valid = code("type({name}) is int and {range}", name=name, range=_in_int(value, name))
        case Primitive("float"):
            valid = code(
                "type({name}) is float and {range}", name=name, range=_in_float(value, name)
            )
        case Primitive() if value.pattern is None:
            # Text outside ASCII may hold lone surrogates, which UTF-8 cannot encode; check_str tries it.
            valid = code("type({name}) is str and {name}.isascii()", name=name)
            for length in _in_length(value, name):
                valid = code("{valid} and {length}", valid=valid, length=length)
        case ListType() if not (value.length and value.length.low):
            return code("(type({name}) is not tuple or {name})", name=name)
        case _:
            return None
    return code("not ({valid})", valid=valid)


def _in_int(value: Value, name: Python) -> Python:
    bounds = value.range or OPEN
    low = ident("INT64_MIN") if bounds.low is None else lit(bounds.low)
    high = ident("INT64_MAX") if bounds.high is None else lit(bounds.high)
    return code("{low} <= {name} <= {high}", low=low, name=name, high=high)


def _in_float(value: Value, name: Python) -> Python:
    bounds = value.range or OPEN
    low = Python("-inf <") if bounds.low is None else code("{low} <=", low=lit(float(bounds.low)))
    high = (
        Python("< inf") if bounds.high is None else code("<= {high}", high=lit(float(bounds.high)))
    )
    return code("{low} {name} {high}", low=low, name=name, high=high)


def _in_length(value: Value, name: Python) -> Iterator[Python]:
    bounds = value.length or OPEN
    if bounds.low and bounds.high is not None:
        low, high = lit(bounds.low), lit(bounds.high)
        yield code("{low} <= len({name}) <= {high}", low=low, name=name, high=high)
    elif bounds.high is not None:
        yield code("len({name}) <= {high}", name=name, high=lit(bounds.high))
    elif bounds.low:
        yield code("len({name}) >= {low}", name=name, low=lit(bounds.low))
