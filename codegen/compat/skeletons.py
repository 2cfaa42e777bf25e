"""Skeletons of upcast steps: YAML that `validate` accepts, with example values that the author replaces.

Each function returns an empty text if no step helps, so that nothing is suggested that cannot be followed. In the text,
`OLD` stands for the old path of the value.
"""

from collections.abc import Iterable
from typing import Any

from ..contract.forms import PATH
from ..contract.model import EnumType, ListType, MapType, Primitive, RecordType, Type, Value
from ..contract.nodes import OPEN, Bounds, Given

OLD = "<old>"
_EXACT = Bounds(-(2**53), 2**53)
"""The integers that a float holds exactly."""
_NUMBERS = (Primitive("int"), Primitive("float"))
_ABSENT: Any = object()


def fill(value: Value, given: Given | None = None) -> str:
    """Return a step that fills a missing value, with `given` or an example."""
    plain = _example(value, value.type, value.length or OPEN) if given is None else given.value
    if given is None and value.nullable:
        plain = None
    return "" if plain is _ABSENT else f"{{fill: {to_yaml(plain)}}}"


def clamp(value: Value) -> str:
    """Return a step that clamps numbers to the range of a field."""
    bounds = value.range or OPEN
    return f"{{convert: {OLD}, clamp: {_to_bounds(bounds)}}}" if value.innermost in _NUMBERS else ""


def scale(value: Value) -> str:
    """Return a step that converts numbers to another unit."""
    if value.innermost not in _NUMBERS:
        return ""
    end = ", round: true" if value.innermost == Primitive("int") else ""
    return f"{{convert: {OLD}, factor: 1000.0{end}}}"


def replace_texts(value: Value, texts: Iterable[str]) -> str:
    """Return a step that gives an example for each of these texts."""
    plain = _example(value, value.innermost, OPEN)
    names = ", ".join(f"{to_yaml(text)}: {to_yaml(plain)}" for text in texts)
    return "" if plain is _ABSENT or not names else f"{{convert: {OLD}, values: {{{names}}}}}"


def convert(old: Value, new: Value) -> str:
    """Return a step that converts a value whose type has changed."""
    if _shape(old.type) != _shape(new.type):
        return ""
    match old.innermost, new.innermost:
        case Primitive("float"), Primitive("int"):
            bounds = (new.range or OPEN).within(_EXACT)
            return f"{{convert: {OLD}, round: true, clamp: {_to_bounds(bounds)}}}"
        case EnumType(before), EnumType(after):
            kept = {one.name for one in after.members}
            return replace_texts(new, [one.name for one in before.members if one.name not in kept])
        case Primitive("str"), EnumType(after):
            name = after.members[0].name
            return f"{{convert: {OLD}, values: {{{to_yaml(name.lower())}: {name}}}, otherwise: {name}}}"
    return ""


def is_path(path: str) -> bool:
    """Return whether a step can name a value by this path."""
    return PATH.fits(path)


def to_yaml(plain: object) -> str:
    """Write a plain value as YAML on one line."""
    match plain:
        case None:
            return "null"
        case bool():
            return "true" if plain else "false"
        case float():
            mantissa, e, exponent = repr(plain).partition("e")
            point = "" if "." in mantissa else ".0"
            return f"{mantissa}{point}{e}{exponent}"
        case str():
            text = plain.replace("'", "''")
            return f"'{text}'"
        case list() | tuple():
            return f"[{', '.join(map(to_yaml, plain))}]"
        case dict():
            return (
                f"{{{', '.join(f'{to_yaml(key)}: {to_yaml(one)}' for key, one in plain.items())}}}"
            )
    return str(plain)


def _example(value: Value, type_: Type, length: Bounds) -> Any:
    """Return a value that a field allows, as it is on the wire; `_ABSENT` if there is no simple one."""
    low = int(length.low or 0)
    match type_:
        case Primitive("int" | "float" as name):
            bounds = value.range or OPEN
            number = max(0, bounds.low if bounds.low is not None else 0)
            number = number if bounds.high is None else min(number, bounds.high)
            return float(number) if name == "float" else int(number)
        case Primitive("bool"):
            return False
        case Primitive():
            return _ABSENT if value.pattern is not None else "x" * low
        case EnumType(enum):
            return enum.members[0].name
        case RecordType(record):
            fields = {
                one.wire: _example(one, one.type, one.length or OPEN) for one in record.fields
            }
            return _ABSENT if _ABSENT in fields.values() else fields
        case ListType(item):
            one = _example(value, item, OPEN) if low else None
            return _ABSENT if one is _ABSENT or low > 3 else [one] * low
        case MapType():
            return _ABSENT if low else {}


def _shape(type_: Type) -> str:
    """Return the brackets of lists and maps around a type."""
    match type_:
        case ListType(item):
            return f"{_shape(item)}[]"
        case MapType(item):
            return f"{_shape(item)}{{}}"
    return ""


def _to_bounds(bounds: Bounds) -> str:
    return to_yaml([bounds.low, bounds.high])
