"""Rules about defaults: a value that is written in the contract must be valid for its field."""

import re
from collections.abc import Iterator

from ..contract.model import (
    Contract,
    EnumType,
    ListType,
    MapType,
    Primitive,
    RecordType,
    Type,
    Value,
)
from ..contract.nodes import Bounds
from ..contract.spec import ContractSpec
from .patterns import is_usable
from .rule import Breach


def check_defaults(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that `default` and `missing` are valid values of their field."""
    for value in contract.values:
        for key, given in (("default", value.default), ("missing", value.missing)):
            misfit = find_misfit(value, given.value) if given else None
            if misfit:
                yield Breach(value.at(key), f"{key} of {value.name} {misfit}")


def find_misfit(value: Value, plain: object) -> str | None:
    """Return why `plain` is not valid, as the end of a sentence that starts with its name; None if it is valid."""
    if plain is None:
        return None if value.nullable else "must not be null; add nullable: true"
    if isinstance(plain, list | dict | str) and isinstance(
        value.type, ListType | MapType | Primitive
    ):
        misfit = _check_bounds(value.length, len(plain), "length")
        if misfit:
            return misfit
    return _check_type(value, value.type, plain)


def _check_type(value: Value, type_: Type, plain: object) -> str | None:
    match type_:
        case Primitive("bool"):
            return None if isinstance(plain, bool) else f"must be true or false, got {plain}"
        case Primitive("int" | "float" as name):
            return _check_number(value, name, plain)
        case Primitive():
            return _check_text(value, plain)
        case EnumType(enum):
            names = [member.name for member in enum.members]
            return None if plain in names else f"must be one of {', '.join(names)}, got {plain}"
        case RecordType():
            hint = "leave it out, or write null and nullable: true"
            return f"cannot be written here, got {plain}: it is a record, which only the program builds; {hint}"
        case ListType(item):
            if not isinstance(plain, list):
                return f"must be a list, got {plain}"
            if plain and isinstance(item, MapType):
                return f"cannot be written here, got {plain}: only empty maps are"
            misfits = [_check_type(value, item, one) for one in plain]
            return next((misfit for misfit in misfits if misfit), None)
        case MapType():
            return None if plain == {} else f"must be {{}}, got {plain}"


def _check_number(value: Value, name: str, plain: object) -> str | None:
    if isinstance(plain, bool) or not isinstance(plain, int if name == "int" else int | float):
        return f"must be {name}, got {plain}"
    return _check_bounds(value.range, plain, "value")


def _check_text(value: Value, plain: object) -> str | None:
    if not isinstance(plain, str):
        return f"must be str, got {plain}"
    # VAL003 reports a pattern that is not usable.
    if value.pattern is not None and is_usable(value) and not re.fullmatch(value.pattern, plain):
        return f"must match {value.pattern}, got {plain}"
    return None


def _check_bounds(bounds: Bounds | None, number: float, quantity: str) -> str | None:
    if bounds is None:
        return None
    if bounds.low is not None and number < bounds.low:
        return f"must have a {quantity} of at least {bounds.low}, got {number}"
    if bounds.high is not None and number > bounds.high:
        return f"must have a {quantity} of at most {bounds.high}, got {number}"
    return None
