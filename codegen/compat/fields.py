"""Rules about what a field is called, whether it must be there, and its type."""

from collections.abc import Callable, Iterator

from ..contract.model import Field, FromCaller, ListType, MapType, Value
from .impact import EVERYBODY, NOTHING, Break
from .kinds import Kind, compare_types
from .owners import FieldPair
from .rule import Change, Rule

_NEW_FIELD = ("add a field with the new type, and deprecate this one",)


def _find_other_key(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old, pair.new
    readable = {new.wire, *new.aliases}
    if old.wire != new.wire:
        breaks = Break.WIRE_F if old.wire in readable else Break.WIRE_F | Break.WIRE_B
        what = f"key {old.wire} -> {new.wire}"
        yield pair.see("wire", what, breaks=breaks, step=f"{{move: {old.wire}}}")
    for alias in old.aliases:
        if alias not in readable:
            what = f"key {alias} is no longer read"
            yield pair.see("aliases", what, breaks=Break.WIRE_B, step=f"{{move: {alias}}}")


def _find_other_name(pair: FieldPair) -> Iterator[Change]:
    if pair.old.name != pair.new.name:
        yield pair.see("renamed_from", f"{pair.old.name} -> {pair.new.name}")


def _find_required(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old, pair.new
    breaks, lost = NOTHING, []
    if old.missing is not None and new.missing is None:
        breaks |= Break.WIRE_B
        lost.append("missing")
    if old.default is not None and new.default is None and _is_given(new):
        breaks |= Break.SOURCE
        lost.append("default")
    if lost:
        what = f"{' and '.join(lost)} taken away"
        yield pair.see("type", what, breaks=breaks, step="{fill: ...}")


def _find_optional(pair: FieldPair) -> Iterator[Change]:
    for key, old, new in (
        ("default", pair.old.default, pair.new.default),
        ("missing", pair.old.missing, pair.new.missing),
    ):
        if old is None and new is not None:
            yield pair.see(key, f"{key} given")


def _find_nullable(pair: FieldPair) -> Iterator[Change]:
    if pair.new.nullable and not pair.old.nullable:
        yield pair.see("nullable", f"{pair.old.type} -> {pair.new.type} or null")


def _find_not_nullable(pair: FieldPair) -> Iterator[Change]:
    if pair.old.nullable and not pair.new.nullable:
        what = f"{pair.old.type} or null -> {pair.new.type}"
        yield pair.see("nullable", what, step="{fill: ...}")


def _find_type(kind: Kind) -> Callable[[FieldPair], Iterator[Change]]:
    """Make the function that finds types which have changed in one way."""

    def find(pair: FieldPair) -> Iterator[Change]:
        old, new = pair.old.type, pair.new.type
        if compare_types(old, new) == kind:
            is_inside = isinstance(old, ListType | MapType) and kind != "cardinality"
            step = f"{{convert: {pair.old.wire}, ...}}"
            yield pair.see("type", f"{old} -> {new}", step=step, is_element=is_inside)

    return find


def _is_given(value: Value) -> bool:
    """Tell whether callers give a value, so that it matters to them whether it has a default."""
    return not isinstance(value, Field) or isinstance(value.capture, FromCaller)


RULES: tuple[Rule[FieldPair], ...] = (
    Rule(
        id="FLD006",
        name="FIELD_WIRE_NAME_CHANGED",
        find=_find_other_key,
        breaks=Break.WIRE_B | Break.WIRE_F,
        why="old records, and old readers, have the value under the old key",
        ways=(
            "keep the key with wire:",
            "keep the old key under aliases, for readers of old records",
        ),
        by_upcast=Break.WIRE_B,
        by_major=Break.WIRE_F,
    ),
    Rule(
        id="FLD007",
        name="FIELD_PY_NAME_CHANGED",
        find=_find_other_name,
        breaks=Break.SOURCE,
        why="callers and readers use the old name",
        by_major=Break.SOURCE,
    ),
    Rule(
        id="FLD012",
        name="BECAME_REQUIRED",
        find=_find_required,
        breaks=Break.WIRE_B | Break.SOURCE,
        why="some old records lack it, and some callers do not give it",
        ways=("keep default: and missing:",),
        by_upcast=Break.WIRE_B,
        by_major=Break.SOURCE,
    ),
    Rule(
        id="FLD013",
        name="BECAME_OPTIONAL",
        find=_find_optional,
        why="it is written all the same",
        bump="minor",
    ),
    Rule(
        id="FLD014",
        name="NULLABLE_ADDED",
        find=_find_nullable,
        breaks=Break.WIRE_F | Break.SOURCE,
        why="readers were promised a value",
        by_major=Break.WIRE_F | Break.SOURCE,
        is_structural=True,
    ),
    Rule(
        id="FLD015",
        name="NULLABLE_REMOVED",
        find=_find_not_nullable,
        breaks=Break.WIRE_B,
        why="old records hold nulls",
        by_upcast=Break.WIRE_B,
        is_structural=True,
    ),
    Rule(
        id="FLD020",
        name="TYPE_WIDENED",
        find=_find_type("widened"),
        breaks=Break.WIRE_F | Break.SOURCE,
        why="old readers meet values that they do not expect",
        ways=_NEW_FIELD,
        by_major=Break.WIRE_F | Break.SOURCE,
        is_structural=True,
    ),
    Rule(
        id="FLD021",
        name="TYPE_NARROWED",
        find=_find_type("narrowed"),
        breaks=Break.WIRE_B,
        why="old records hold values that it cannot take",
        ways=_NEW_FIELD,
        by_upcast=Break.WIRE_B,
        is_structural=True,
    ),
    Rule(
        id="FLD022",
        name="TYPE_CHANGED",
        find=_find_type("changed"),
        breaks=EVERYBODY,
        why="nobody can read it as before",
        ways=_NEW_FIELD,
        by_upcast=Break.WIRE_B,
        is_structural=True,
    ),
    Rule(
        id="FLD023",
        name="CARDINALITY_CHANGED",
        find=_find_type("cardinality"),
        breaks=EVERYBODY,
        why="one value is not many, and many are not one",
        ways=_NEW_FIELD,
        is_structural=True,
    ),
)
"""Rules about a field that both contracts have: what it is."""
