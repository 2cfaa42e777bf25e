"""Rules about stability and deprecation."""

from collections.abc import Iterator

from ...contract.model import Record
from ...contract.nodes import Stability
from ..contract_diff import ContractDiff
from ..impact import Impact
from ..modes import STABILITIES
from ..rule import Change, Rule


def _find_lowered_stability(diff: ContractDiff) -> Iterator[Change]:
    for pair in diff.event_pairs:
        if _is_lower(pair.old.stability, pair.new.stability):
            description = f"{pair.old.stability} -> {pair.new.stability}"
            yield pair.make_change("stability", description)
    for old, new in diff.class_pairs:
        if not isinstance(old, Record) or not isinstance(new, Record):
            continue
        if _is_lower(old.stability, new.stability):
            yield Change(
                subject=new.name,
                span=new.at("stability"),
                description=f"{old.stability} -> {new.stability}",
                mode=diff.strictest_mode,
            )
    for owner in diff.owners:
        for field in owner.matched:
            # A field that only follows its owner is reported with the owner.
            follows = (owner.old.stability, owner.new.stability)
            is_own = (field.old.stability, field.new.stability) != follows
            if is_own and _is_lower(field.old.stability, field.new.stability):
                description = f"{field.old.stability} -> {field.new.stability}"
                yield field.make_change("stability", description)


def _find_deprecation(diff: ContractDiff) -> Iterator[Change]:
    for pair in diff.event_pairs:
        if _is_changed(pair.old.deprecated, pair.new.deprecated):
            yield pair.make_change("deprecated", _describe(pair.new.deprecated))
    for owner in diff.owners:
        for field in owner.matched:
            if _is_changed(field.old.deprecated, field.new.deprecated):
                yield field.make_change("deprecated", _describe(field.new.deprecated))
    for enum in diff.enum_pairs:
        old = {member.name: member for member in enum.old.members}
        for member in enum.new.members:
            if member.name in old and _is_changed(old[member.name].deprecated, member.deprecated):
                description = _describe(member.deprecated)
                yield enum.make_change(member.name, member.span, description)


def _is_lower(old: Stability, new: Stability) -> bool:
    return STABILITIES.index(new) < STABILITIES.index(old)


def _is_changed(old: str | None, new: str | None) -> bool:
    return (old is None) != (new is None)


def _describe(deprecated: str | None) -> str:
    return f"deprecated: {deprecated}" if deprecated else "no longer deprecated"


RULES: tuple[Rule[ContractDiff], ...] = (
    Rule(
        id="FLD042",
        name="STABILITY_LOWERED",
        find=_find_lowered_stability,
        impact=Impact.POLICY,
        why="users rely on the stability that was promised",
        remedies=("keep the stability", "deprecate it, and add another one that is less stable"),
        is_unconditional=True,
    ),
    Rule(
        id="FLD043",
        name="DEPRECATION_CHANGED",
        find=_find_deprecation,
        why="users should learn of it from the changelog",
        bump="minor",
    ),
)
"""Rules about the stability and the deprecation of events, records, fields and members."""
