"""Rules about the constraints and units of values."""

from collections.abc import Iterator

from ..contract.model import Contract, EnumType, ListType, MapType, Primitive, RecordType, Type
from ..contract.nodes import BARE_COUNT
from ..contract.spec import ContractSpec
from ..diagnostics.similar import suggest
from .rule import Breach

MAX_DEPTH = 2

_NUMBERS = (Primitive("int"), Primitive("float"))
_TEXT = Primitive("str")


def check_constraints(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that each constraint applies to the type of its value."""
    for value in contract.values:
        inner = value.innermost
        is_sized = value.type == _TEXT or isinstance(value.type, ListType | MapType)
        applies = {
            "range": inner in _NUMBERS or value.range is None,
            "unit": inner in _NUMBERS or value.unit is None,
            "nonfinite": inner == Primitive("float") or value.nonfinite == "error",
            "pattern": inner == _TEXT or value.pattern is None,
            "length": is_sized or value.length is None,
        }
        for key, is_fine in applies.items():
            if not is_fine:
                yield Breach(value.at(key), f"{key} does not apply to {value.type}", "remove it")


def check_bounds(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that bounds are not empty, and are integers for integers and lengths."""
    for value in contract.values:
        for key, bounds in (("range", value.range), ("length", value.length)):
            if bounds is None:
                continue
            low, high = bounds.low, bounds.high
            if low is not None and high is not None and low > high:
                yield Breach(
                    value.at(key), f"{key} must not end before it begins, got [{low}, {high}]"
                )
            is_whole = key == "length" or value.innermost == Primitive("int")
            if is_whole and not all(isinstance(one, int | None) for one in (low, high)):
                yield Breach(value.at(key), f"{key} must be integers here, got [{low}, {high}]")
            if key == "length" and low is not None and low < 0:
                yield Breach(value.at(key), f"length must be 0 or more, got {low}")


def check_nonfinite(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that a value whose NaN becomes null may be null."""
    for value in contract.values:
        if value.nonfinite != "null":
            continue
        if isinstance(value.type, ListType | MapType):
            message = f"the items of {value.type} cannot become null"
            yield Breach(value.at("nonfinite"), message, "use string or error")
        elif not value.nullable:
            yield Breach(
                value.at("nonfinite"), f"{value.name} cannot become null", "add nullable: true"
            )


def check_units(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that every number has a unit that the contract lists."""
    known = {BARE_COUNT, *(unit.name for unit in spec.units)}
    for value in contract.values:
        if value.innermost not in _NUMBERS:
            continue
        if value.unit is None:
            yield Breach(value.span, f"{value.name} has no unit", 'add unit: "1" for a bare count')
        elif value.unit not in known:
            similar, listed = suggest(value.unit, known), ", ".join(sorted(known))
            hint = (
                f"{similar} or declare it under units:"
                if similar
                else f"declare it under units:, or use one of {listed}"
            )
            yield Breach(value.at("unit"), f'unknown unit "{value.unit}"', hint)


def check_depth(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that lists and maps are nested at most two deep."""
    for value in contract.values:
        if _depth(value.type) > MAX_DEPTH:
            message = f"lists and maps are nested at most {MAX_DEPTH} deep, got {value.type}"
            yield Breach(value.at("type"), message, "use records instead")


def _depth(type_: Type) -> int:
    match type_:
        case ListType(item) | MapType(item):
            return 1 + _depth(item)
        case Primitive() | EnumType() | RecordType():
            return 0
