"""All rules about change, in one list."""

from collections.abc import Iterator
from typing import Any

from . import (
    archive,
    enums,
    event_rules,
    events,
    exemptions,
    fields,
    golden,
    moves,
    presence,
    releases,
    reserved_rules,
    stability_rules,
    values,
)
from .rule import Rule

RULES: tuple[Rule[Any], ...] = (
    *events.RULES,
    *event_rules.RULES,
    *presence.RULES,
    *fields.RULES,
    *values.RULES,
    *moves.RULES,
    *reserved_rules.RULES,
    *stability_rules.RULES,
    *enums.RULES,
    *enums.CLASS_RULES,
    *releases.RULES,
    *archive.RULES,
    *exemptions.RULES,
    golden.RULE,
)
"""Every rule, by subject."""


def print_rules() -> str:
    """Print every rule: its id and name, who is broken, why, and what settles it."""
    return "".join(
        f"{line}\n"
        for rule in sorted(RULES, key=lambda rule: (rule.id, rule.name))
        for line in _describe(rule)
    )


def _describe(rule: Rule[Any]) -> Iterator[str]:
    yield f"{rule.id} {rule.name}  {rule.breaks or 'info'}"
    if rule.is_structural:
        inside = rule.inside()
        yield f"    inside lists, maps and records: {inside.id} {inside.name}"
    yield f"    why: {rule.why}"
    for way in rule.ways:
        yield f"    way: {way}"
    for what, breaks in (
        ("an upcast", rule.by_upcast),
        ("a new revision with a note", rule.by_revision),
        ("a new minor version", rule.by_minor),
        ("a new major version", rule.by_major),
    ):
        if breaks:
            yield f"    way: {what}, for {breaks}"
