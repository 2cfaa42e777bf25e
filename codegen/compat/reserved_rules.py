"""Rules about names of the past: they stay taken for good."""

from collections.abc import Iterator

from .contract_diff import Scene
from .impact import Break
from .modes import mode_of
from .rule import Change, Rule


def _find_reused_events(scene: Scene) -> Iterator[Change]:
    retired = {one.name for one in scene.old.retired}
    for event in scene.come:
        if event.name in retired:
            mode = mode_of(event, scene.new, event.stability)
            what = "an event of the past has had this name"
            yield Change(subject=event.name, span=event.span, what=what, mode=mode)


def _find_reused_names(scene: Scene) -> Iterator[Change]:
    for owner in scene.owners:
        names = {name for one in owner.old.reserved for name in (one.name, one.wire)}
        for value in owner.new.fields:
            if names & {value.name, value.wire}:
                yield owner.see(value.name, value.span, "a field of the past has had this name")
    for pair in scene.enum_pairs:
        for member in pair.new.members:
            if any(member.name == one.name for one in pair.old.reserved):
                yield pair.see(member.name, member.span, "a member of the past has had this name")
            elif any(member.value == one.value for one in pair.old.reserved):
                yield pair.see(member.name, member.span, "a member of the past has had this number")


def _find_forgotten(scene: Scene) -> Iterator[Change]:
    what = "the name is no longer kept from being used again"
    kept = {one.name for one in (*scene.new.retired, *scene.new.events)}
    for event in scene.old.retired:
        if event.name not in kept:
            span = scene.at("retired")
            yield Change(subject=event.name, span=span, what=what, mode=scene.strictest)
    for owner in scene.owners:
        kept = owner.reserved | {value.name for value in owner.new.fields}
        for one in owner.old.reserved:
            if one.name not in kept:
                yield owner.see(one.name, owner.new.span, what)
    for pair in scene.enum_pairs:
        kept = {one.name for one in (*pair.new.reserved, *pair.new.members)}
        for member in pair.old.reserved:
            if member.name not in kept:
                yield pair.see(member.name, pair.new.span, what)


RULES: tuple[Rule[Scene], ...] = (
    Rule(
        id="EVT004",
        name="EVENT_NAME_REUSED",
        find=_find_reused_events,
        breaks=Break.WIRE_B | Break.SEM,
        why="records of the old event would be read as the new one",
        ways=("pick a name that was never used",),
    ),
    Rule(
        id="FLD003",
        name="NAME_REUSED",
        find=_find_reused_names,
        breaks=Break.WIRE_B | Break.SEM,
        why="what old records say under this name would be read as something else",
        ways=("pick a name, and a number, that were never used",),
    ),
    Rule(
        id="FLD004",
        name="RESERVED_REMOVED",
        find=_find_forgotten,
        breaks=Break.WIRE_B,
        why="once forgotten, the name could be used again for something else",
        ways=("keep it under reserved, or in the section retired, for good",),
        is_always=True,
    ),
)
"""Rules about names of the past."""
