"""Rules about the names of a field, whether it is required, and its type."""

from collections.abc import Callable, Iterator

from ...contract.model import ListType, MapType
from ..impact import NO_IMPACT, WIRE_AND_SOURCE, Impact
from ..pairs import FieldPair
from ..readings import Verdict, judge
from ..rule import Change, Rule
from ..skeletons import OLD, convert, fill
from ..type_changes import TypeChange

_NEW_FIELD = ("add a field with the new type, and deprecate this one",)


def _find_changed_wire_name(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old, pair.new
    readable = {new.wire, *new.aliases}
    if old.wire != new.wire:
        description = f"key {old.wire} -> {new.wire}"
        keep = "keep the old key under aliases, for readers of old records"
        remedies = () if old.wire in new.aliases else (keep,)
        verdict = pair.judge("missing", "unknown", "repeated")
        yield pair.make_change(
            "wire", description, verdict=verdict, step=f"{{move: {OLD}}}", remedies=remedies
        )
    for alias in old.aliases:
        if alias not in readable:
            description = f"key {alias} is no longer read"
            verdict = judge(
                pair.owner.holders,
                ("missing", "unknown", "repeated"),
                old_key=alias,
                new_key=new.wire,
            ).backward
            yield pair.make_change(
                "aliases", description, verdict=verdict, step=f"{{move: {OLD}}}", old_key=alias
            )


def _find_renamed(pair: FieldPair) -> Iterator[Change]:
    if pair.old.name != pair.new.name:
        yield pair.make_change(
            "renamed_from", f"{pair.old.name} -> {pair.new.name}", impact=Impact.SOURCE
        )


def _find_became_required(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old, pair.new
    impact, lost, verdict = NO_IMPACT, [], Verdict()
    if old.missing is not None and new.missing is None:
        verdict = pair.judge("missing")
        lost.append("missing")
    if old.default is not None and new.default is None and pair.owner.is_passed(new):
        impact |= Impact.SOURCE
        lost.append("default")
    if lost:
        description = f"{' and '.join(lost)} removed"
        yield pair.make_change("type", description, impact=impact, verdict=verdict, step=fill(new))


def _find_became_optional(pair: FieldPair) -> Iterator[Change]:
    for key, old, new in (
        ("default", pair.old.default, pair.new.default),
        ("missing", pair.old.missing, pair.new.missing),
    ):
        if old is None and new is not None:
            yield pair.make_change(key, f"{key} added")


def _find_nullable_added(pair: FieldPair) -> Iterator[Change]:
    if pair.new.nullable and not pair.old.nullable:
        description = f"{pair.old.type} -> {pair.new.type} or null"
        verdict = pair.judge("null")
        yield pair.make_change("nullable", description, impact=Impact.SOURCE, verdict=verdict)


def _find_nullable_removed(pair: FieldPair) -> Iterator[Change]:
    if pair.old.nullable and not pair.new.nullable:
        description = f"{pair.old.type} or null -> {pair.new.type}"
        yield pair.make_change(
            "nullable",
            description,
            impact=Impact.SOURCE,
            verdict=pair.judge("null"),
            step=fill(pair.new),
        )


def _type_finder(kind: TypeChange) -> Callable[[FieldPair], Iterator[Change]]:
    """Return a function that finds types which have changed in the way `kind`."""

    def find(pair: FieldPair) -> Iterator[Change]:
        old, new = pair.old.type, pair.new.type
        if pair.type_change == kind:
            is_inside = isinstance(old, ListType | MapType) and kind != "cardinality"
            yield pair.make_change(
                "type",
                f"{old} -> {new}",
                impact=Impact.SOURCE,
                verdict=pair.judge("type", "text", "range", "length", is_deep=True),
                step=convert(pair.old, pair.new),
                is_element=is_inside,
            )

    return find


RULES: tuple[Rule[FieldPair], ...] = (
    Rule(
        id="FLD006",
        name="FIELD_WIRE_NAME_CHANGED",
        find=_find_changed_wire_name,
        impact=Impact.WIRE_B | Impact.WIRE_F,
        why="old records have, and old readers expect, the value under the old key",
        remedies=("keep the key with wire:",),
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.WIRE_F,
    ),
    Rule(
        id="FLD007",
        name="FIELD_PY_NAME_CHANGED",
        find=_find_renamed,
        impact=Impact.SOURCE,
        why="callers and readers use the old name",
        resolved_by_major=Impact.SOURCE,
    ),
    Rule(
        id="FLD012",
        name="BECAME_REQUIRED",
        find=_find_became_required,
        impact=Impact.WIRE_B | Impact.SOURCE,
        why="some old records lack it, and some callers do not pass it",
        remedies=("keep default: and missing:",),
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.SOURCE,
    ),
    Rule(
        id="FLD013",
        name="BECAME_OPTIONAL",
        find=_find_became_optional,
        why="new records still have it",
        bump="minor",
    ),
    Rule(
        id="FLD014",
        name="NULLABLE_ADDED",
        find=_find_nullable_added,
        impact=Impact.WIRE_F | Impact.SOURCE,
        why="readers were promised a value",
        resolved_by_major=Impact.WIRE_F | Impact.SOURCE,
        has_element_form=True,
    ),
    Rule(
        id="FLD015",
        name="NULLABLE_REMOVED",
        find=_find_nullable_removed,
        impact=Impact.WIRE_B | Impact.SOURCE,
        why="old records hold nulls, and callers pass None",
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.SOURCE,
        has_element_form=True,
    ),
    Rule(
        id="FLD020",
        name="TYPE_WIDENED",
        find=_type_finder("widened"),
        impact=Impact.WIRE_F | Impact.SOURCE,
        why="old readers do not expect some of the new values",
        remedies=_NEW_FIELD,
        resolved_by_major=Impact.WIRE_F | Impact.SOURCE,
        has_element_form=True,
    ),
    Rule(
        id="FLD021",
        name="TYPE_NARROWED",
        find=_type_finder("narrowed"),
        impact=Impact.WIRE_B | Impact.SOURCE,
        why="old records hold, and callers pass, values that the new type does not allow",
        remedies=_NEW_FIELD,
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.SOURCE,
        has_element_form=True,
    ),
    Rule(
        id="FLD022",
        name="TYPE_CHANGED",
        find=_type_finder("changed"),
        impact=WIRE_AND_SOURCE,
        why="old and new readers need another type",
        remedies=_NEW_FIELD,
        resolved_by_upcast=Impact.WIRE_B,
        has_element_form=True,
    ),
    Rule(
        id="FLD023",
        name="CARDINALITY_CHANGED",
        find=_type_finder("cardinality"),
        impact=WIRE_AND_SOURCE,
        why="readers and callers of one value cannot handle a collection, and the other way round",
        remedies=_NEW_FIELD,
        has_element_form=True,
    ),
)
"""Rules about a field that both contracts have: its names, its presence and its type."""
