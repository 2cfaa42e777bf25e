"""Rules about removed, added, moved and reordered fields."""

from collections.abc import Iterator

from ...contract.model import Field, FromSource, Value
from ...contract.wire_paths import objects_of
from ..contract_diff import ContractDiff
from ..field_matching import UnmatchedFields
from ..impact import NO_IMPACT, WIRE_AND_SOURCE, Impact
from ..modes import MODES
from ..pairs import OwnerPair
from ..readings import ANY, Holder, Verdict, judge
from ..rule import Change, RequiredUpcast, Rule
from ..skeletons import fill, is_path


def _find_removed(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for value in unmatched.removed:
        is_announced = value.deprecated is not None and _is_reserved(owner, value)
        # Old readers are told by a new major version alone, if they were told to expect it.
        announced = Impact.SOURCE | (Impact.WIRE_F if unmatched.is_major else NO_IMPACT)
        resolved = announced if is_announced else NO_IMPACT
        verdict = owner.judge(ANY, old_key=value.wire).forward
        yield _removal(owner, value, "the field is removed", Impact.SOURCE, verdict, resolved)


def _find_unreserved(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for value in unmatched.removed:
        if not _is_reserved(owner, value):
            verdict = Verdict()
            for key in (value.wire, *value.aliases):
                verdict |= owner.judge(["unknown"], old_key=key, new_key=key).backward
            # Even where an upcast takes the value away, the name could be given to something else.
            is_read = verdict.impact == verdict.resolved
            impact = Impact.POLICY if is_read else NO_IMPACT
            yield _removal(owner, value, "its name is not reserved", impact, verdict)


def _find_undeclared_renames(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for old, new in unmatched.likely_renames:
        description = f"looks like {old.name}, which is removed; say renamed_from: {old.name}"
        verdict = owner.judge(ANY, old_key=old.wire, new_key=new.wire)
        yield owner.make_change(
            new.name, new.span, description, impact=Impact.SOURCE, verdict=verdict
        )


def _find_required(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for value in unmatched.added:
        change = _addition(owner, value, "a new field that old records and callers do not have")
        if _is_break(owner, change):
            yield change


def _find_optional(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for value in unmatched.added:
        change = _addition(owner, value, "a new field")
        if not _is_break(owner, change):
            yield change


def _is_break(owner: OwnerPair, change: Change) -> bool:
    assert change.impact is not None
    return bool(change.impact & owner.mode.protected)


def _find_removed_keys(unmatched: UnmatchedFields) -> Iterator[Change]:
    owner = unmatched.owner
    for value in unmatched.removed_keys:
        verdict = owner.judge(ANY, old_key=value.wire)
        description = "it no longer identifies records"
        impact = Impact.SOURCE | Impact.SEM
        yield _removal(owner, value, description, impact, verdict, NO_IMPACT)


def _is_reserved(owner: OwnerPair, value: Value) -> bool:
    """Return whether both the name and the key of a field are reserved."""
    names = {name for one in owner.new.reserved for name in (one.name, one.wire)}
    return {value.name, value.wire} <= names


def _removal(
    owner: OwnerPair,
    value: Value,
    description: str,
    impact: Impact,
    verdict: Verdict,
    resolved: Impact = NO_IMPACT,
) -> Change:
    return owner.make_change(
        value.name,
        owner.new.span,
        description,
        impact=impact,
        resolved=resolved,
        verdict=verdict,
        mode=owner.mode_of(value),
    )


def _addition(owner: OwnerPair, value: Value, description: str) -> Change:
    verdict = owner.judge(ANY, new_key=value.wire).backward
    impact = NO_IMPACT
    if owner.needs_attributes(value):
        impact = Impact.SOURCE
        assert isinstance(value, Field)
        description += f"; sources of the event need {_describe_capture(value)}"
    elif owner.is_passed(value) and value.default is None:
        impact = Impact.SOURCE
    return owner.make_change(
        value.name,
        value.span,
        description,
        impact=impact,
        verdict=verdict,
        key=value.wire,
        step=fill(value),
        mode=owner.mode_of(value),
    )


def _describe_capture(value: Field) -> str:
    assert isinstance(value.capture, FromSource)
    names = [f'the attribute "{value.capture.attribute}"']
    names += [f'"{value.capture.guard}"'] if value.capture.guard else []
    return " and ".join(names)


def _find_moved(diff: ContractDiff) -> Iterator[Change]:
    for move in diff.moves:
        steps = diff.upcasts.steps_of(move.pair.old.name)
        step = f'"{move.new}": {{move: "{move.old}"}}'
        is_possible = (
            is_path(move.old) and is_path(move.new) and objects_of(move.old) == objects_of(move.new)
        )
        required = RequiredUpcast(move.pair.old.name, step, move.new in steps)
        # Code that uses the record relies on its own stability.
        is_nested = "." in move.old + move.new
        holder = Holder(move.pair.reading, "", "")
        verdict = judge([holder], ANY, old_key=move.old, new_key=move.new)
        yield Change(
            subject=f"{move.pair.new.name}.{move.value.name}",
            span=move.value.span,
            description=f"{move.old} -> {move.new}",
            mode=move.pair.mode | MODES["stable"].without_wire() if is_nested else move.pair.mode,
            impact=Impact.SOURCE | verdict.impact,
            resolved=verdict.resolved,
            claims=verdict.claims,
            required_upcasts=(required,) if is_possible else (),
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
        impact=Impact.WIRE_B | Impact.POLICY,
        why="readers refuse old records with it, or would read its values as those of a later field",
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
        name="EVENT_KEY_REMOVED",
        find=_find_removed_keys,
        impact=WIRE_AND_SOURCE | Impact.SEM,
        why="records are joined and deduplicated by these keys",
        remedies=("keep it",),
        resolved_by_major=Impact.WIRE_F | Impact.SOURCE | Impact.SEM,
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
        remedies=("keep it where it is, and add a new field elsewhere",),
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
