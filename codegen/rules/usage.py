"""Rules about declarations that nothing uses."""

from collections.abc import Iterator

from ..contract.model import Contract
from ..contract.spec import ContractSpec
from .rule import Breach


def check_unused(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that units, groups and families are used; enums and records may exist for Python code only."""
    units = {one.unit for one in contract.values}
    groups = {name for event in spec.events for name in event.include}
    families = {event.family for event in contract.events}
    for kind, nodes, used in (
        ("unit", spec.units, units),
        ("group", spec.groups, groups),
        ("family", spec.families, families),
    ):
        for node in nodes:
            if node.name not in used:
                yield Breach(node.span, f'{kind} "{node.name}" is never used', "remove it")
