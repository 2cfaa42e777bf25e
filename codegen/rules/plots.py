"""Rules about the keys for tools: which values are sensitive, and how a value is shown."""

from collections.abc import Iterator

from ..contract.model import (
    Contract,
    EnumType,
    ListType,
    MapType,
    Primitive,
    RecordType,
    Value,
)
from ..contract.spec import ContractSpec
from .rule import Breach

WITHHELD = "withheld"
"""The text that stands for a sensitive text that cannot be null."""

_NUMBERS = (Primitive("int"), Primitive("float"), Primitive("bool"))
_TEXT = Primitive("str")


def check_sensitive(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that there is a valid value that can stand for each sensitive one."""
    always = [*contract.envelope.fields, *contract.context]
    for value in contract.values:
        if not value.sensitive:
            continue
        if any(value is one for one in always):
            message = f"{value.name} is on every line, so it cannot be withheld"
            yield Breach(value.at("sensitive"), message, "remove it")
        elif not _can_be_withheld(value):
            message = f"no value of {value.name} can stand for one that is withheld"
            hint = f'add nullable: true, or let a text be "{WITHHELD}" and a list or map be empty'
            yield Breach(value.at("sensitive"), message, hint)


def check_plots(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that each value can be shown as the contract says."""
    for value in contract.values:
        if value.plot is not None and not _fits(value):
            message = f"a value of type {value.type} cannot be shown as {value.plot}"
            yield Breach(value.at("plot"), message, "remove it, or use none")


def check_axes(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that the curves of an event have one x axis."""
    for event in contract.events:
        axes = [one for one in event.fields if one.plot == "step"]
        for extra in axes[1:]:
            message = f"{event.name} has two x axes, {axes[0].name} and {extra.name}"
            yield Breach(extra.at("plot"), message, "remove one of them")
    for record in contract.records:
        carriers = {event.carried for event in contract.events}
        for one in record.fields:
            if one.plot == "step" and record.name not in carriers:
                message = f"{record.name} is part of an event, which has the x axis"
                yield Breach(one.at("plot"), message, "remove it")


def _can_be_withheld(value: Value) -> bool:
    length = value.length
    low = (length.low or 0) if length else 0
    high = length.high if length else None
    if value.nullable:
        return True
    if isinstance(value.type, ListType | MapType):
        return low == 0
    is_long_enough = low <= len(WITHHELD) and (high is None or high >= len(WITHHELD))
    return value.type == _TEXT and value.pattern is None and is_long_enough


def _fits(value: Value) -> bool:
    match value.plot:
        case "scalar":
            is_number = value.innermost in _NUMBERS or isinstance(value.innermost, EnumType)
            return is_number and not isinstance(value.type, ListType)
        case "step":
            return value.type == Primitive("int")
        case "series":
            return isinstance(value.type, EnumType) or value.type in (_TEXT, Primitive("int"))
        case "text":
            return value.innermost == _TEXT or isinstance(value.innermost, EnumType)
        case _:
            return not isinstance(value.innermost, RecordType)
