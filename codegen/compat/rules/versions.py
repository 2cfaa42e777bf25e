"""Rules about a new version: whether it is high enough, its upcasts, and the output that targets render from it."""

import re
from collections.abc import Iterator

from ...contract.model import Event
from ...contract.promises import Step
from ...contract.versions import parse_version
from ...diagnostics.findings import Span
from ...history.shapes import find_shapes
from ..classification import Comparison
from ..contract_diff import ContractDiff
from ..impact import Impact
from ..modes import MODES, CompatibilityMode, mode_of
from ..readings import Reading
from ..rule import Change, Rule


def _find_not_bumped(comparison: Comparison) -> Iterator[Change]:
    old, new = comparison.diff.old.version, comparison.diff.new.version
    if old == new and comparison.needed_bump != "none":
        yield _make_version_change(comparison, f"the contract has changed, but still says {old}")


def _find_too_small(comparison: Comparison) -> Iterator[Change]:
    old, new = comparison.diff.old.version, comparison.diff.new.version
    if old != new and parse_version(new) < comparison.needed_version:
        description = f"{old} -> {new} is too small a step for the changes"
        yield _make_version_change(comparison, description)


def _make_version_change(comparison: Comparison, description: str) -> Change:
    remedy = f"say version: {comparison.needed_version}"
    return _make_change("version", comparison.diff.span_of("version"), description, remedy)


def _find_unreadable(comparison: Comparison) -> Iterator[Change]:
    """Find what new readers refuse of old records, where a step of an upcast makes it or no other rule explains it."""
    claimed = {claim for one in comparison.changes for claim in one.change.claims}
    for reading, mode, span in _protected_readings(comparison.diff):
        for problem in sorted(reading.converted):
            step = _find_step(comparison.diff, reading.event, problem.path)
            if step is not None or (reading.event, "old", problem) not in claimed:
                yield Change(
                    subject=f"{reading.event or 'envelope'}.{problem.path}",
                    span=step.span if step else span,
                    description=f"in {'upcast' if step else 'old'} records, {problem}",
                    mode=mode,
                )


def _find_refused(comparison: Comparison) -> Iterator[Change]:
    """Find what old readers refuse of new records, where no other rule explains it."""
    claimed = {claim for one in comparison.changes for claim in one.change.claims}
    for reading, mode, span in _protected_readings(comparison.diff):
        for problem in sorted(reading.forward):
            if (reading.event, "new", problem) not in claimed:
                yield Change(
                    subject=f"{reading.event or 'envelope'}.{problem.path}",
                    span=span,
                    description=f"in new records, {problem}",
                    mode=mode,
                )


def _find_vain_steps(comparison: Comparison) -> Iterator[Change]:
    """Find steps that take a value from a path at which no old record has one."""
    diff = comparison.diff
    pairs = {pair.old.name: pair for pair in diff.event_pairs}
    for event, source, step in diff.vain_steps():
        yield Change(
            subject=f"{event}.{step.path}",
            span=step.at("move" if step.move is not None else "convert"),
            description=f"records of {diff.old.version} do not have {source}",
            mode=pairs[event].mode if event in pairs else MODES["stable"],
            remedies=("name a key that old records have", "remove the step"),
        )


def _protected_readings(diff: ContractDiff) -> Iterator[tuple[Reading, CompatibilityMode, Span]]:
    modes = {event.name: mode_of(event, diff.old) for event in diff.old.events}
    spans = {pair.old.name: pair.new.span for pair in diff.event_pairs}
    for reading in diff.readings:
        span = spans.get(reading.event, diff.new.span)
        yield reading, modes.get(reading.event, MODES["stable"]), span


def _find_step(diff: ContractDiff, event: str, path: str) -> Step | None:
    """Return the last step that makes a value or the objects around it."""
    bare = re.sub(r"(\[\]|\{\})+$", "", path)
    for one, step in diff.upcasts.steps_of(event).items():
        if bare == one or bare.startswith(f"{one}."):
            return step
    return None


def _find_missing_upcasts(comparison: Comparison) -> Iterator[Change]:
    steps: dict[str, set[str]] = {}
    for one in comparison.changes:
        if Impact.WIRE_B in one.violated & one.rule.resolved_by_upcast:
            for required in one.change.required_upcasts:
                if not required.is_present:
                    steps.setdefault(required.event, set()).add(required.step)
    spans = {pair.old.name: pair.new.span for pair in comparison.diff.event_pairs}
    for event, wanted in sorted(steps.items()):
        span = spans.get(event, comparison.diff.span_of("events"))
        stub = _format_stub(comparison, event, wanted)
        yield _make_change(event, span, "old records cannot be read", stub)


def _format_stub(comparison: Comparison, event: str, steps: set[str]) -> str:
    """Return the missing upcast as YAML; the values in it are examples, because only the author knows them."""
    becomes = sorted(step for step in steps if step.startswith("becomes: "))
    lines = [
        "add the missing steps, with your values in place of the examples:",
        "upcasts:",
        f"  {comparison.upcast_version}:",
    ]
    lines += ["    doc: ...", "    events:", f"      {event}:"]
    lines += [f"        {step}" for step in becomes]
    fields = sorted(steps - set(becomes))
    lines += ["        fields:"] if fields else []
    return "\n".join([*lines, *(f"          {step}" for step in fields)])


def _find_edited_upcasts(comparison: Comparison) -> Iterator[Change]:
    released = parse_version(comparison.diff.old.version)
    old = {one.version: one for one in comparison.diff.old.upcasts}
    new = {one.version: one for one in comparison.diff.new.upcasts}
    for version in sorted({*old, *new}, key=parse_version):
        if parse_version(version) <= released and old.get(version) != new.get(version):
            span = new[version].span if version in new else comparison.diff.span_of("upcasts")
            verb = "added" if version not in old else "removed" if version not in new else "edited"
            yield _make_change(f"upcasts.{version}", span, f"{verb} after it was released")


def _find_other_shapes(comparison: Comparison) -> Iterator[Change]:
    diff = comparison.diff
    old = {one.name: one for one in (*diff.old.enums, *diff.old.owners)}
    new = {one.name: one for one in (*diff.new.enums, *diff.new.owners)}
    # Targets render the keys of the envelope with each event.
    is_line_same = diff.old.envelope == diff.new.envelope
    same = [
        name
        for name, one in old.items()
        if one == new.get(name) and (is_line_same or not isinstance(one, Event))
    ]
    if not comparison.shapes:
        return
    for target, shapes in find_shapes(diff.new).items():
        before = comparison.shapes.get(target, {})
        for name in same:
            if name in before and before[name] != shapes.get(name):
                description = (
                    f"{target} renders it differently, though the contract has not changed"
                )
                yield _make_change(name, new[name].span, description)


def _make_change(subject: str, span: Span, description: str, *remedies: str) -> Change:
    return Change(
        subject=subject,
        span=span,
        description=description,
        mode=MODES["stable"],
        remedies=remedies,
    )


RULES: tuple[Rule[Comparison], ...] = (
    Rule(
        id="SPC009",
        name="RECORD_UNREADABLE",
        find=_find_unreadable,
        impact=Impact.WIRE_B,
        why="every released record must stay readable, after its upcasts",
        remedies=("mend the upcast, or add one",),
    ),
    Rule(
        id="SPC010",
        name="RECORD_REFUSED",
        find=_find_refused,
        impact=Impact.WIRE_F,
        why="readers of this major version must read the records of later minor versions",
        resolved_by_major=Impact.WIRE_F,
    ),
    Rule(
        id="SPC011",
        name="UPCAST_STEP_VAIN",
        find=_find_vain_steps,
        impact=Impact.POLICY,
        why="the step never finds a value, so it is probably misspelt",
    ),
    Rule(
        id="SPC001",
        name="VERSION_NOT_BUMPED",
        find=_find_not_bumped,
        impact=Impact.POLICY,
        why="two contracts with the same version cannot be told apart on the wire",
        is_exemptable=False,
    ),
    Rule(
        id="SPC002",
        name="BUMP_TOO_SMALL",
        find=_find_too_small,
        impact=Impact.POLICY,
        why="the version promises more compatibility than the changes keep",
        is_exemptable=False,
    ),
    Rule(
        id="SPC003",
        name="UPCASTER_MISSING",
        find=_find_missing_upcasts,
        impact=Impact.WIRE_B,
        why="every released record must stay readable",
    ),
    Rule(
        id="SPC004",
        name="UPCASTER_EDITED",
        find=_find_edited_upcasts,
        impact=Impact.POLICY,
        why="the same old records would get another meaning",
        remedies=("restore it, and add an upcast to the next version",),
        is_exemptable=False,
    ),
    Rule(
        id="TGT001",
        name="TARGET_SHAPE_CHANGED",
        find=_find_other_shapes,
        impact=Impact.POLICY,
        why="readers of views, tables and types would see other columns without a change of the contract",
        resolved_by_minor=Impact.POLICY,
        resolved_by_major=Impact.POLICY,
    ),
)
"""Rules about the comparison of two contracts as a whole."""
