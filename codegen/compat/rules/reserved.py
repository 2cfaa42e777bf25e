"""Rules about names that are no longer used: they stay reserved forever."""

from collections.abc import Iterator

from ..contract_diff import ContractDiff
from ..impact import Impact
from ..modes import mode_of
from ..rule import Change, Rule


def _find_reused_events(diff: ContractDiff) -> Iterator[Change]:
    retired = {one.name for one in diff.old.retired}
    for event in diff.added_events:
        if event.name in retired:
            mode = mode_of(event, diff.new)
            description = "a former event had this name"
            yield Change(subject=event.name, span=event.span, description=description, mode=mode)


def _find_reused_names(diff: ContractDiff) -> Iterator[Change]:
    for owner in diff.owners:
        names = {name for one in owner.old.reserved for name in (one.name, one.wire)}
        for value in owner.new.fields:
            if names & {value.name, value.wire}:
                yield owner.make_change(value.name, value.span, "a former field had this name")
    for pair in diff.enum_pairs:
        for member in pair.new.members:
            if any(member.name == one.name for one in pair.old.reserved):
                description, impact = "a former member had this name", None
            elif any(member.value == one.value for one in pair.old.reserved):
                # Lines hold names; only numbers that were stored elsewhere are read as another member.
                description, impact = "a former member had this number", Impact.SEM
            else:
                continue
            yield pair.make_change(member.name, member.span, description, impact=impact)


def _find_no_longer_reserved(diff: ContractDiff) -> Iterator[Change]:
    description = "the name is no longer reserved"
    kept = {one.name for one in (*diff.new.retired, *diff.new.events)}
    for event in diff.old.retired:
        if event.name not in kept:
            yield Change(
                subject=event.name,
                span=diff.span_of("retired"),
                description=description,
                mode=diff.strictest_mode,
                impact=Impact.POLICY,
            )
    for owner in diff.owners:
        kept = owner.reserved | {value.name for value in owner.new.fields}
        for one in owner.old.reserved:
            if one.name not in kept:
                # Readers drop reserved keys of payloads from old records, and refuse them otherwise.
                impact = Impact.WIRE_B if owner.paths else Impact.POLICY
                yield owner.make_change(one.name, owner.new.span, description, impact=impact)
    for pair in diff.enum_pairs:
        kept = {one.name for one in (*pair.new.reserved, *pair.new.members)}
        for member in pair.old.reserved:
            if member.name not in kept:
                yield pair.make_change(
                    member.name, pair.new.span, description, impact=Impact.POLICY
                )


RULES: tuple[Rule[ContractDiff], ...] = (
    Rule(
        id="EVT004",
        name="EVENT_NAME_REUSED",
        find=_find_reused_events,
        impact=Impact.WIRE_B | Impact.SEM,
        why="records of the former event would be read as the new one",
        remedies=("choose a name that was never used",),
    ),
    Rule(
        id="FLD003",
        name="NAME_REUSED",
        find=_find_reused_names,
        impact=Impact.WIRE_B | Impact.SEM,
        why="values that old records have under this name would be read as something else",
        remedies=("choose a name, and a number, that were never used",),
    ),
    Rule(
        id="FLD004",
        name="RESERVED_REMOVED",
        find=_find_no_longer_reserved,
        impact=Impact.WIRE_B | Impact.POLICY,
        why="old records with it could no longer be read, and it could be used again for something else",
        remedies=("keep it under reserved, or in the section retired, forever",),
        is_unconditional=True,
    ),
)
"""Rules about names that are no longer used."""
