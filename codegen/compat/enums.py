"""Rules about enums, records and their members."""

from collections.abc import Iterator

from ..contract.model import Member
from .contract_diff import Scene
from .impact import EVERYBODY, NOTHING, Break
from .modes import MODES
from .pairs import EnumPair
from .rule import Change, Rule


def _find_removed(pair: EnumPair) -> Iterator[Change]:
    renamed = {old.name for old, _ in _renamed(pair)}
    new = {member.name for member in pair.new.members}
    for member in pair.old.members:
        if member.name not in new and member.name not in renamed:
            what = "the member is gone"
            yield pair.see(member.name, pair.new.span, what, renames=member.name)


def _find_added(pair: EnumPair) -> Iterator[Change]:
    renamed = {new.name for _, new in _renamed(pair)}
    old = {member.name for member in pair.old.members}
    for member in pair.new.members:
        if member.name not in old and member.name not in renamed:
            breaks = NOTHING if pair.old.open else Break.WIRE_F
            what = "a new member" if pair.old.open else "a new member of a closed enum"
            yield pair.see(member.name, member.span, what, breaks=breaks)


def _find_value(pair: EnumPair) -> Iterator[Change]:
    old = {member.name: member for member in pair.old.members}
    for member in pair.new.members:
        if member.name in old and old[member.name].value != member.value:
            what = f"{old[member.name].value} -> {member.value}"
            yield pair.see(member.name, member.at("value"), what)


def _find_renamed(pair: EnumPair) -> Iterator[Change]:
    for old, new in _renamed(pair):
        what = f"{old.name} -> {new.name}, both {new.value}"
        yield pair.see(new.name, new.span, what, renames=old.name)


def _find_openness(pair: EnumPair) -> Iterator[Change]:
    if pair.old.open != pair.new.open:
        breaks = Break.SOURCE if pair.new.open else Break.WIRE_B
        what = "closed -> open" if pair.new.open else "open -> closed"
        yield pair.see("", pair.new.at("open"), what, breaks=breaks)


def _renamed(pair: EnumPair) -> Iterator[tuple[Member, Member]]:
    """Pair members that have the same number under another name."""
    old_names = {member.name for member in pair.old.members}
    new_names = {member.name for member in pair.new.members}
    by_number = {member.value: member for member in pair.new.members}
    for old in pair.old.members:
        new = by_number.get(old.value)
        if new and old.name not in new_names and new.name not in old_names:
            yield old, new


def _find_gone_classes(scene: Scene) -> Iterator[Change]:
    kept = {one.name for one in (*scene.new.enums, *scene.new.records)}
    for enum in scene.old.enums:
        if enum.name not in kept:
            what, mode = "the enum is gone", scene.mode_of_enum(enum)
            yield Change(subject=enum.name, span=scene.at("enums"), what=what, mode=mode)
    for record in scene.old.records:
        if record.name not in kept:
            what, mode = "the record is gone", MODES[record.stability]
            yield Change(subject=record.name, span=scene.at("records"), what=what, mode=mode)


def _find_new_classes(scene: Scene) -> Iterator[Change]:
    known = {one.name for one in (*scene.old.enums, *scene.old.records)}
    for one in (*scene.new.enums, *scene.new.records):
        if one.name not in known:
            what = "a new enum or record"
            yield Change(subject=one.name, span=one.span, what=what, mode=MODES["stable"])


CLASS_RULES: tuple[Rule[Scene], ...] = (
    Rule(
        id="ENM006",
        name="CLASS_REMOVED",
        find=_find_gone_classes,
        breaks=Break.SOURCE,
        why="callers and readers import it",
        by_major=Break.SOURCE,
    ),
    Rule(
        id="ENM007",
        name="CLASS_ADDED",
        find=_find_new_classes,
        why="there is more to import",
        bump="minor",
    ),
)
"""Rules about enums and records that only one of two contracts has."""

RULES: tuple[Rule[EnumPair], ...] = (
    Rule(
        id="ENM001",
        name="MEMBER_REMOVED",
        find=_find_removed,
        breaks=Break.WIRE_B | Break.SOURCE,
        why="old records hold it, at whatever stability",
        ways=("keep it for good, with deprecated:",),
        by_upcast=Break.WIRE_B,
        by_major=Break.SOURCE,
        is_always=True,
    ),
    Rule(
        id="ENM002",
        name="MEMBER_ADDED",
        find=_find_added,
        breaks=Break.WIRE_F,
        why="old readers of a closed enum refuse names that they do not know",
        ways=("declare the enum open before it needs new members",),
        by_major=Break.WIRE_F,
        bump="minor",
    ),
    Rule(
        id="ENM003",
        name="MEMBER_VALUE_CHANGED",
        find=_find_value,
        breaks=EVERYBODY,
        why="numbers that were stored or compared come to mean another member",
        ways=("add a member with the new number, and deprecate this one",),
    ),
    Rule(
        id="ENM004",
        name="MEMBER_RENAMED",
        find=_find_renamed,
        breaks=EVERYBODY,
        why="members go by name on the wire, and in Python",
        ways=("keep the name",),
        by_upcast=Break.WIRE_B,
        by_major=Break.WIRE_F | Break.SOURCE,
    ),
    Rule(
        id="ENM005",
        name="OPENNESS_CHANGED",
        find=_find_openness,
        breaks=Break.WIRE_B | Break.SOURCE,
        why="a closed enum refuses unknown names in old records; an open one surprises exhaustive matches",
        by_major=Break.SOURCE,
    ),
)
"""Rules about an enum that both contracts have."""
