"""Rules about enums and their members, and about added and removed enums and records."""

from collections.abc import Iterator

from ...contract.model import Member, Record
from ..contract_diff import ContractDiff
from ..impact import NO_IMPACT, WIRE_AND_SOURCE, Impact
from ..modes import MODES
from ..pairs import EnumPair
from ..rule import Change, Rule


def _find_removed(pair: EnumPair) -> Iterator[Change]:
    renamed = {old.name for old, _ in _find_renames(pair)}
    new = {member.name for member in pair.new.members}
    for member in pair.old.members:
        if member.name not in new and member.name not in renamed:
            description = "the member is removed"
            yield pair.make_change(
                member.name,
                pair.new.span,
                description,
                impact=Impact.SOURCE,
                is_read=True,
                replaced=member.name,
            )


def _find_unreserved(pair: EnumPair) -> Iterator[Change]:
    renamed = {old.name for old, _ in _find_renames(pair)}
    kept = {member.name for member in pair.new.members}
    reserved = {member.name: member.value for member in pair.new.reserved}
    for member in pair.old.members:
        if member.name in kept | renamed or reserved.get(member.name) == member.value:
            continue
        description = "its name and number are not reserved"
        if member.name in reserved:
            description = f"it is reserved with another number than {member.value}"
        yield pair.make_change(member.name, pair.new.span, description)


def _find_added(pair: EnumPair) -> Iterator[Change]:
    renamed = {new.name for _, new in _find_renames(pair)}
    old = {member.name for member in pair.old.members}
    for member in pair.new.members:
        if member.name not in old and member.name not in renamed:
            description = "a new member" if pair.old.open else "a new member of a closed enum"
            yield pair.make_change(
                member.name,
                member.span,
                description,
                impact=NO_IMPACT,
                is_read=not pair.old.open,
            )


def _find_changed_values(pair: EnumPair) -> Iterator[Change]:
    old = {member.name: member for member in pair.old.members}
    for member in pair.new.members:
        if member.name in old and old[member.name].value != member.value:
            description = f"{old[member.name].value} -> {member.value}"
            yield pair.make_change(
                member.name, member.at("value"), description, impact=Impact.SOURCE | Impact.SEM
            )


def _find_renamed(pair: EnumPair) -> Iterator[Change]:
    for old, new in _find_renames(pair):
        description = f"{old.name} -> {new.name}, both {new.value}"
        yield pair.make_change(
            new.name,
            new.span,
            description,
            impact=Impact.SOURCE,
            is_read=True,
            replaced=old.name,
        )


def _find_openness(pair: EnumPair) -> Iterator[Change]:
    if pair.old.open != pair.new.open:
        description = "closed -> open" if pair.new.open else "open -> closed"
        # Writers accept members only, so opening an enum changes no record.
        yield pair.make_change(
            "", pair.new.at("open"), description, impact=NO_IMPACT, is_read=pair.old.open
        )


def _find_renames(pair: EnumPair) -> Iterator[tuple[Member, Member]]:
    """Pair members that have the same number but another name."""
    old_names = {member.name for member in pair.old.members}
    new_names = {member.name for member in pair.new.members}
    by_number = {member.value: member for member in pair.new.members}
    for old in pair.old.members:
        new = by_number.get(old.value)
        if new and old.name not in new_names and new.name not in old_names:
            yield old, new


def _find_removed_classes(diff: ContractDiff) -> Iterator[Change]:
    kept = {old.name for old, _ in diff.class_pairs}
    for enum in diff.old.enums:
        if enum.name not in kept:
            yield Change(
                subject=enum.name,
                span=diff.span_of("enums"),
                description="the enum is removed",
                mode=diff.mode_of_enum(enum),
            )
    for record in diff.old.records:
        if record.name not in kept:
            yield Change(
                subject=record.name,
                span=diff.span_of("records"),
                description="the record is removed",
                mode=MODES[record.stability],
            )


def _find_added_classes(diff: ContractDiff) -> Iterator[Change]:
    known = {new.name for _, new in diff.class_pairs}
    for one in (*diff.new.enums, *diff.new.records):
        if one.name not in known:
            yield Change(
                subject=one.name,
                span=one.span,
                description="a new enum or record",
                mode=MODES["stable"],
            )


def _find_renamed_classes(diff: ContractDiff) -> Iterator[Change]:
    for old, new in diff.class_pairs:
        if old.name != new.name:
            stability = old.stability if isinstance(old, Record) else "stable"
            yield Change(
                subject=new.name,
                span=new.at("renamed_from"),
                description=f"{old.name} -> {new.name}",
                mode=MODES[stability],
            )


DIFF_RULES: tuple[Rule[ContractDiff], ...] = (
    Rule(
        id="ENM006",
        name="CLASS_REMOVED",
        find=_find_removed_classes,
        impact=Impact.SOURCE,
        why="callers and readers import it",
        resolved_by_major=Impact.SOURCE,
    ),
    Rule(
        id="ENM008",
        name="CLASS_RENAMED",
        find=_find_renamed_classes,
        impact=Impact.SOURCE,
        why="callers and readers import the old name; on the wire, nothing changes",
        resolved_by_major=Impact.SOURCE,
    ),
    Rule(
        id="ENM007",
        name="CLASS_ADDED",
        find=_find_added_classes,
        why="the package offers another name to import",
        bump="minor",
    ),
)
"""Rules about enums and records that only one of two contracts has."""

PAIR_RULES: tuple[Rule[EnumPair], ...] = (
    Rule(
        id="ENM001",
        name="MEMBER_REMOVED",
        find=_find_removed,
        impact=Impact.WIRE_B | Impact.SOURCE,
        why="old records hold it, whatever the stability",
        remedies=("keep it forever, with deprecated:",),
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.SOURCE,
        is_unconditional=True,
    ),
    Rule(
        id="ENM009",
        name="MEMBER_REMOVED_UNRESERVED",
        find=_find_unreserved,
        impact=Impact.POLICY,
        why="a later member with this name or number would be taken for it in old records and stored numbers",
        remedies=("put the member under reserved, with its number",),
        is_unconditional=True,
    ),
    Rule(
        id="ENM002",
        name="MEMBER_ADDED",
        find=_find_added,
        impact=Impact.WIRE_F,
        why="old readers of a closed enum refuse names that they do not know",
        remedies=("declare the enum as open before it needs new members",),
        resolved_by_major=Impact.WIRE_F,
        bump="minor",
    ),
    Rule(
        id="ENM003",
        name="MEMBER_VALUE_CHANGED",
        find=_find_changed_values,
        impact=Impact.SOURCE | Impact.SEM,
        why="numbers that were stored or compared would mean another member; lines hold names",
        remedies=("add a member with the new number, and deprecate this one",),
    ),
    Rule(
        id="ENM004",
        name="MEMBER_RENAMED",
        find=_find_renamed,
        impact=WIRE_AND_SOURCE,
        why="records and Python code refer to members by name",
        remedies=("keep the name",),
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.WIRE_F | Impact.SOURCE,
    ),
    Rule(
        id="ENM005",
        name="OPENNESS_CHANGED",
        find=_find_openness,
        impact=Impact.WIRE_B,
        why="readers of an open enum accept members that a later minor version adds; those of a closed one do not",
        resolved_by_upcast=Impact.WIRE_B,
        bump="minor",
    ),
)
"""Rules about an enum that both contracts have."""
