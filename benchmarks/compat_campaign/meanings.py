"""Compares what two contracts say about the meaning of values, which no reader can notice."""

from collections.abc import Callable

from benchmarks.compat_campaign.judges import LINE, Pairing, Shown
from benchmarks.compat_campaign.packages import Package
from codegen.contract.model import (
    Enum,
    Field,
    FromContext,
    Primitive,
    Value,
)
from codegen.contract.promises import Step
from codegen.contract.wire_paths import walk_leaves


def show_meaning(old: Package, new: Package, pairing: Pairing) -> Shown:
    """Compare what the contracts say about the meaning of values, which no reader can notice."""
    shown = Shown()
    after = {one.name: one for one in new.contract.events}
    for event in old.contract.events:
        other = after.get(pairing.get(event.name, ""))
        if other is None:
            continue
        is_revised = other.revision > event.revision and other.note != event.note
        if event.cadence != other.cadence:
            shown.add(event.name, "cadence")
        _compare_meaning(event.name, event.fields, other.fields, is_revised, new, shown)
    records = {one.name: one for one in new.contract.records}
    for record in old.contract.records:
        if record.name in records:
            _compare_meaning(
                record.name, record.fields, records[record.name].fields, False, new, shown
            )
    enums = {one.name: one for one in new.contract.enums}
    for enum in old.contract.enums:
        if enum.name in enums:
            _compare_members(enum, enums[enum.name], shown)
    before = {one.name for one in old.contract.envelope.fields}
    if before - {one.name for one in new.contract.envelope.fields}:
        shown.add(LINE, "a key is gone")
    return shown


def _compare_members(old: Enum, new: Enum, shown: Shown) -> None:
    numbers = {member.name: member.value for member in old.members}
    former = {member.value: member.name for member in old.reserved}
    for member in new.members:
        if numbers.get(member.name, member.value) != member.value:
            shown.add(old.name, f"number of {member.name}")
        if former.get(member.value, member.name) != member.name:
            shown.add(old.name, f"number of {member.name}, which was that of another member")


def _is_step(package: Package, name: str, is_cure: Callable[[Step], bool]) -> bool:
    """Return whether upcasts have such a step for a key, for every event that needs one."""
    steps = [
        step
        for upcast in package.contract.upcasts
        for event in upcast.events
        for step in event.steps
        if step.path.rpartition(".")[2] == name
    ]
    places = sum(
        path == name or path.endswith(f".{name}")
        for event in package.contract.events
        for path, _ in walk_leaves(event.fields)
    )
    return len([one for one in steps if is_cure(one)]) == places


def _compare_meaning(
    subject: str,
    old: tuple[Value, ...],
    new: tuple[Value, ...],
    is_revised: bool,
    package: Package,
    shown: Shown,
) -> None:
    after = {one.name: one for one in new}
    for one in old:
        other = after.get(one.name)
        if other is None:
            if isinstance(one, Field) and isinstance(one.capture, FromContext):
                shown.add(subject, f"{one.name} no longer identifies it")
            continue
        numbers = (Primitive("int"), Primitive("float"))
        is_converted = _is_step(package, one.name, lambda step: step.convert is not None)
        is_filled = _is_step(package, one.name, lambda step, old=one.missing: step.fill == old)
        is_number = one.innermost in numbers and other.innermost in numbers
        if one.unit != other.unit and is_number and not is_converted:
            shown.add(subject, f"unit of {one.name}")
        if one.missing and other.missing and one.missing != other.missing and not is_filled:
            shown.add(subject, f"value of a missing {one.name}")
        if one.default and other.default and one.default != other.default and not is_revised:
            shown.add(subject, f"default of {one.name}")
        if isinstance(one, Field) and isinstance(other, Field) and not is_revised:
            captures = (one.capture, one.phase, one.reduce), (
                other.capture,
                other.phase,
                other.reduce,
            )
            if captures[0] != captures[1]:
                shown.add(subject, f"capture of {one.name}")
