"""Rules about values: constraints that apply and make sense, defaults that keep to them, units."""

from collections.abc import Iterator

from ..contract.fitting import find_misfit
from ..contract.model import Contract, EnumType, ListType, MapType, Primitive, RecordType, Type
from ..contract.patterns import find_flaw
from ..contract.spec import ContractSpec
from ..diagnostics.similar import suggest
from .rule import Breach

MAX_DEPTH = 2
BARE_COUNT = "1"

_NUMBERS = (Primitive("int"), Primitive("float"))
_TEXT = Primitive("str")


def check_constraints(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """A constraint stands only where it says something."""
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
                yield Breach(value.at(key), f"{key} says nothing about {value.type}", "remove it")


def check_bounds(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Bounds leave something between them, and are integers where only integers occur."""
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


def check_patterns(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """A pattern means the same in every language that we generate, and cannot run away."""
    for value in contract.values:
        flaw = find_flaw(value.pattern) if value.pattern is not None else None
        if flaw:
            yield Breach(value.at("pattern"), *flaw)


def check_nonfinite(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """A value that becomes null may be null."""
    for value in contract.values:
        if value.nonfinite != "null":
            continue
        if isinstance(value.type, ListType | MapType):
            message = f"the items of {value.type} cannot become null"
            yield Breach(value.at("nonfinite"), message, "say string or error")
        elif not value.nullable:
            yield Breach(
                value.at("nonfinite"), f"{value.name} cannot become null", "say nullable: true"
            )


def check_defaults(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """What is put in for a value keeps to the rules of the value."""
    for value in contract.values:
        for key, given in (("default", value.default), ("missing", value.missing)):
            misfit = find_misfit(value, given.value) if given else None
            if misfit:
                yield Breach(value.at(key), f"{key} of {value.name} {misfit}")


def check_units(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """A number says what it counts, in a unit that the contract lists."""
    known = {BARE_COUNT, *(unit.name for unit in spec.units)}
    for value in contract.values:
        if value.innermost not in _NUMBERS:
            continue
        if value.unit is None:
            yield Breach(value.span, f"{value.name} has no unit", 'say unit: "1" for a bare count')
        elif value.unit not in known:
            hint = suggest(value.unit, known) or f"list it under units: {', '.join(sorted(known))}"
            yield Breach(value.at("unit"), f'unknown unit "{value.unit}"', hint)


def check_depth(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Lists and maps are not nested more than a reader can follow."""
    for value in contract.values:
        if _depth(value.type) > MAX_DEPTH:
            message = f"lists and maps are nested at most {MAX_DEPTH} deep, got {value.type}"
            yield Breach(value.at("type"), message, "hold records instead")


def _depth(of: Type) -> int:
    match of:
        case ListType(item) | MapType(item):
            return 1 + _depth(item)
        case Primitive() | EnumType() | RecordType():
            return 0
