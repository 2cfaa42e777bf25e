"""Rules about earlier versions: retired names are not used again, and versions are plausible."""

from collections.abc import Iterable, Iterator

from ..contract.model import Contract, Enum, Event, Record, Value
from ..contract.spec import ContractSpec
from ..contract.versions import parse_version
from .rule import Breach


def check_reserved(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that no reserved or retired name is used for something new."""
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
    """Check that no version that the contract mentions is after its own."""
    current = parse_version(contract.version)
    for value in contract.values:
        if value.since and parse_version(value.since) > current:
            yield Breach(value.at("since"), f"{value.since} is after version {contract.version}")
    for event in contract.events:
        for key, version in (("since", event.since), ("retired", event.retired)):
            if version and parse_version(version) > current:
                yield Breach(event.at(key), f"{version} is after version {contract.version}")
    for owner in contract.owners:
        for one in owner.reserved:
            if one.last and parse_version(one.last) >= current:
                message = f"{one.last} is not before version {contract.version}"
                yield Breach(one.span, message)


def check_renames(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that a former name is not a present one: whose records and callers are meant would be ambiguous."""
    groups: list[Iterable[Event | Enum | Record | Value]] = [
        contract.events,
        contract.enums,
        contract.records,
        contract.envelope.fields,
        contract.context,
        *(owner.fields for owner in contract.owners),
    ]
    for group in groups:
        members = list(group)
        names = {one.name for one in members}
        for one in members:
            if one.renamed_from in names:
                message = f'{one.name} was renamed from "{one.renamed_from}", which still exists'
                hint = "remove renamed_from:, or give the other one a new name"
                yield Breach(one.at("renamed_from"), message, hint)
