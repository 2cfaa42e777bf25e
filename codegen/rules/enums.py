"""Rules about enums: they have members, and a member keeps its number forever."""

from collections.abc import Iterator

from ..contract.model import Contract
from ..contract.spec import ContractSpec
from .rule import Breach

MAX_NUMBER = 2**31 - 1


def check_members(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that an enum has members."""
    for enum in contract.enums:
        if not enum.members:
            yield Breach(enum.span, f"{enum.name} has no members", "add one, or remove the enum")


def check_numbers(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that no two members, reserved ones included, share a number, and that numbers fit 32 bits."""
    for enum in contract.enums:
        owners: dict[int, str] = {}
        for member in (*enum.members, *enum.reserved):
            if member.value in owners:
                message = (
                    f"{enum.name}.{owners[member.value]} has the number {member.value} already"
                )
                yield Breach(member.span, message, "take a number that was never used")
            if not 0 <= member.value <= MAX_NUMBER:
                message = f"a member's number is in [0, {MAX_NUMBER}], got {member.value}"
                yield Breach(member.span, message)
            owners.setdefault(member.value, member.name)
