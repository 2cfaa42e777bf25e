"""Rules about the past: names that stay taken, versions that make sense."""

from collections.abc import Iterator

from ..contract.model import Contract
from ..contract.spec import ContractSpec
from .rule import Breach


def check_reserved(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """A name of the past is not used for something new."""
    retired = {one.name for one in contract.retired}
    for event in contract.events:
        if event.name in retired:
            yield Breach(event.span, f"{event.name} is retired", "take a name that was never used")
    for enum in contract.enums:
        names = {one.name for one in enum.reserved}
        for member in enum.members:
            if member.name in names:
                yield Breach(member.span, f"{enum.name}.{member.name} is reserved")
    for owner in contract.owners:
        names = {name for one in owner.reserved for name in (one.name, one.wire)}
        for value in owner.fields:
            if names & {value.name, value.wire}:
                message = f'"{value.name}" of {owner.name} is reserved'
                yield Breach(value.span, message, "take a name that was never used")


def check_versions(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Nothing comes from a version that is still to come."""
    current = _parse(contract.version)
    for value in contract.values:
        if value.since and _parse(value.since) > current:
            yield Breach(value.at("since"), f"{value.since} is after version {contract.version}")
    for event in contract.events:
        for key, version in (("since", event.since), ("retired", event.retired)):
            if version and _parse(version) > current:
                yield Breach(event.at(key), f"{version} is after version {contract.version}")
    for owner in contract.owners:
        for one in owner.reserved:
            if one.last and _parse(one.last) >= current:
                message = f"{one.last} is not before version {contract.version}"
                yield Breach(one.span, message)


def _parse(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
