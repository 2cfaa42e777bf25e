"""Rules about how firmly something is promised, and whether it should still be used."""

from collections.abc import Iterator

from ..contract.nodes import Stability
from .contract_diff import Scene
from .impact import Break
from .modes import STABILITIES
from .rule import Change, Rule


def _find_stability(scene: Scene) -> Iterator[Change]:
    for pair in scene.event_pairs:
        if _is_lower(pair.old.stability, pair.new.stability):
            yield pair.see("stability", f"{pair.old.stability} -> {pair.new.stability}")
    new = {record.name: record for record in scene.new.records}
    for record in scene.old.records:
        if record.name in new and _is_lower(record.stability, new[record.name].stability):
            span = new[record.name].at("stability")
            what = f"{record.stability} -> {new[record.name].stability}"
            yield Change(subject=record.name, span=span, what=what, mode=scene.strictest)
    for owner in scene.owners:
        for field in owner.matched:
            # What follows its owner is told with its owner.
            follows = (owner.old.stability, owner.new.stability)
            is_own = (field.old.stability, field.new.stability) != follows
            if is_own and _is_lower(field.old.stability, field.new.stability):
                yield field.see("stability", f"{field.old.stability} -> {field.new.stability}")


def _find_deprecation(scene: Scene) -> Iterator[Change]:
    for pair in scene.event_pairs:
        if _is_changed(pair.old.deprecated, pair.new.deprecated):
            yield pair.see("deprecated", _describe(pair.new.deprecated))
    for owner in scene.owners:
        for field in owner.matched:
            if _is_changed(field.old.deprecated, field.new.deprecated):
                yield field.see("deprecated", _describe(field.new.deprecated))
    for enum in scene.enum_pairs:
        old = {member.name: member for member in enum.old.members}
        for member in enum.new.members:
            if member.name in old and _is_changed(old[member.name].deprecated, member.deprecated):
                yield enum.see(member.name, member.span, _describe(member.deprecated))


def _is_lower(old: Stability, new: Stability) -> bool:
    return STABILITIES.index(new) < STABILITIES.index(old)


def _is_changed(old: str | None, new: str | None) -> bool:
    return (old is None) != (new is None)


def _describe(deprecated: str | None) -> str:
    return f"deprecated: {deprecated}" if deprecated else "no longer deprecated"


RULES: tuple[Rule[Scene], ...] = (
    Rule(
        id="FLD042",
        name="STABILITY_LOWERED",
        find=_find_stability,
        breaks=Break.POLICY,
        why="what was promised is not taken back",
        ways=("keep the stability", "deprecate it and add another one that promises less"),
        is_always=True,
    ),
    Rule(
        id="FLD043",
        name="DEPRECATION_CHANGED",
        find=_find_deprecation,
        why="people should read about it in the changelog",
        bump="minor",
    ),
)
"""Rules about promises."""
