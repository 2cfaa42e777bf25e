"""Rules about removed, added, moved and reordered fields."""

from collections.abc import Iterator

from ...contract.model import Field, FromCaller, FromSource, Value
from ..contract_diff import ContractDiff
from ..field_matching import UnmatchedFields
from ..impact import NO_IMPACT, WIRE_AND_SOURCE, Impact
from ..pairs import OwnerPair
from ..rule import Change, RequiredUpcast, Rule


def _find_removed(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for value in unmatched.removed:
        is_announced = value.deprecated is not None and _is_reserved(owner, value)
        resolved = Impact.WIRE_F | Impact.SOURCE if is_announced else NO_IMPACT
        yield _removal(owner, value, "the field is removed", resolved)


def _find_unreserved(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for value in unmatched.removed:
        if not _is_reserved(owner, value):
            yield _removal(owner, value, "its name is not reserved", NO_IMPACT)


def _find_undeclared_renames(unmatched: UnmatchedFields) -> Iterator[Change]:
    for old, new in unmatched.likely_renames:
        description = f"looks like {old.name}, which is removed; say renamed_from: {old.name}"
        yield unmatched.owner.make_change(new.name, new.span, description)


def _find_required(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for value in unmatched.added:
        impact = _impact_of_added(owner, value)
        if impact:
            description = "a new field that old records and callers do not have"
            yield _addition(owner, value, description, impact)


def _find_optional(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for value in unmatched.added:
        if not _impact_of_added(owner, value):
            yield _addition(owner, value, f"a new field{_describe_source(value)}", NO_IMPACT)


def _find_changed_keys(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for value in unmatched.removed_keys:
        yield owner.make_change(value.name, owner.new.span, "it no longer identifies records")
    for value in unmatched.added_keys:
        is_readable = value.missing is not None or owner.is_upcast(value.wire)
        impact = Impact.SEM if is_readable else Impact.SEM | Impact.WIRE_B
        yield _addition(owner, value, "it also identifies records now", impact)


def _impact_of_added(owner: OwnerPair, value: Value) -> Impact:
    """Return who is broken by an added field: readers of old records without it, callers who do not pass it."""
    impact = NO_IMPACT
    if value.missing is None and not owner.is_upcast(value.wire):
        impact |= Impact.WIRE_B
    is_captured = isinstance(value, Field) and not isinstance(value.capture, FromCaller)
    if value.default is None and not is_captured:
        impact |= Impact.SOURCE
    return impact & owner.mode.protected


def _describe_source(value: Value) -> str:
    if isinstance(value, Field) and isinstance(value.capture, FromSource):
        return f"; every source of the event needs the attribute {value.capture.attribute}"
    return ""


def _is_reserved(owner: OwnerPair, value: Value) -> bool:
    """Return whether both the name and the key of a field are reserved."""
    names = {name for one in owner.new.reserved for name in (one.name, one.wire)}
    return {value.name, value.wire} <= names


def _removal(owner: OwnerPair, value: Value, description: str, resolved: Impact) -> Change:
    mode = owner.mode_of(value)
    return owner.make_change(value.name, owner.new.span, description, resolved=resolved, mode=mode)


def _addition(owner: OwnerPair, value: Value, description: str, impact: Impact) -> Change:
    return owner.make_change(
        value.name,
        value.span,
        description,
        impact=impact,
        key=value.wire,
        step="{fill: ...}",
        mode=owner.mode_of(value),
    )


def _find_moved(diff: ContractDiff) -> Iterator[Change]:
    for move in diff.moves:
        _, steps = diff.upcasts.follow(move.pair.old.name)
        step = f'"{move.new}": {{move: "{move.old}"}}'
        yield Change(
            subject=f"{move.pair.new.name}.{move.value.name}",
            span=move.value.span,
            description=f"{move.old} -> {move.new}",
            mode=move.pair.mode,
            required_upcasts=(RequiredUpcast(move.pair.old.name, step, move.new in steps),),
        )


def _find_order(diff: ContractDiff) -> Iterator[Change]:
    for owner in diff.owners:
        new = [pair.old.name for pair in owner.matched]
        old = [value.name for value in owner.old.fields if value.name in new]
        if old != new:
            yield Change(
                subject=owner.subject,
                span=owner.new.span,
                description=f"the order of its fields: {', '.join(old)} -> {', '.join(new)}",
                mode=owner.mode,
            )


RULES: tuple[Rule[UnmatchedFields], ...] = (
    Rule(
        id="FLD001",
        name="FIELD_REMOVED",
        find=_find_removed,
        impact=Impact.WIRE_F | Impact.SOURCE,
        why="old readers and callers still use it",
        remedies=("deprecate it for a release, then put its name under reserved",),
    ),
    Rule(
        id="FLD002",
        name="FIELD_REMOVED_UNRESERVED",
        find=_find_unreserved,
        impact=Impact.WIRE_B,
        why="a later field of the same name would read the values of this one in old records",
        remedies=("put the name under reserved, with wire: if it had another key on the wire",),
    ),
    Rule(
        id="FLD005",
        name="FIELD_RENAMED_UNDECLARED",
        find=_find_undeclared_renames,
        impact=WIRE_AND_SOURCE,
        why="whether a field is new or an old one under a new name cannot be inferred",
        remedies=(
            "say renamed_from: in the new field",
            "put the old name under reserved if it is another field",
        ),
    ),
    Rule(
        id="FLD010",
        name="REQUIRED_ADDED",
        find=_find_required,
        impact=Impact.WIRE_B | Impact.SOURCE,
        why="old records lack it, and callers do not pass it",
        remedies=("say missing: for readers of old records, and default: for callers",),
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.SOURCE,
    ),
    Rule(
        id="FLD011",
        name="OPTIONAL_ADDED",
        find=_find_optional,
        why="readers of this major version ignore fields that later minor versions add",
        bump="minor",
    ),
    Rule(
        id="EVT008",
        name="EVENT_KEY_CHANGED",
        find=_find_changed_keys,
        impact=Impact.WIRE_B | Impact.SEM,
        why="records are joined and deduplicated by these keys",
        remedies=("say missing: for readers of old records",),
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.SEM,
    ),
)
"""Rules about the fields of an owner that only one contract has."""

DIFF_RULES: tuple[Rule[ContractDiff], ...] = (
    Rule(
        id="FLD041",
        name="MOVED",
        find=_find_moved,
        impact=WIRE_AND_SOURCE,
        why="old records, old readers and callers have it under its old parent",
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.WIRE_F | Impact.SOURCE,
    ),
    Rule(
        id="FLD040",
        name="ORDER_CHANGED",
        find=_find_order,
        why="constructors take keywords and readers use keys; only the order of columns in tables changes",
        bump="patch",
    ),
)
"""Rules about the places of fields."""
