"""The catalogue of all compatibility rules, grouped by the kind of subject that they check, and the comparison that applies them."""

from collections.abc import Iterator
from typing import Any

from ..contract.model import Contract
from ..history.baseline import Shapes
from . import exemptions
from .classification import Classification, Comparison, apply_rules
from .contract_diff import ContractDiff
from .field_matching import find_unmatched_fields
from .rule import Rule
from .rules import (
    archive,
    enums,
    events,
    fields,
    history,
    presence,
    reserved,
    stability,
    values,
    versions,
)

_DIFF_RULES: tuple[Rule[ContractDiff], ...] = (
    *reserved.RULES,
    *events.DIFF_RULES,
    *presence.DIFF_RULES,
    *stability.RULES,
    *enums.DIFF_RULES,
)
_FIELD_RULES = (*fields.RULES, *values.RULES)

RULES: tuple[Rule[Any], ...] = (
    *_DIFF_RULES,
    *events.PAIR_RULES,
    *presence.RULES,
    *_FIELD_RULES,
    *enums.PAIR_RULES,
    *versions.RULES,
    *archive.RULES,
    *history.RULES,
    *exemptions.RULES,
    archive.GOLDEN_RULE,
)


def compare_contracts(
    old: Contract, new: Contract, shapes: Shapes
) -> tuple[Comparison, list[Classification]]:
    """Compare two contracts; return the comparison, and all findings, including those about the version.

    `shapes` are the hashes of the output that targets rendered from the old contract; empty when it was not released.
    """
    diff = ContractDiff(old, new)
    changes = tuple(_find_changes(diff))
    comparison = Comparison(diff, changes, shapes)
    return comparison, [*changes, *apply_rules(versions.RULES, [comparison], diff.bump)]


def describe_rules() -> str:
    """Return the list of all rules: id, name, who is broken, why, and what resolves it."""
    return "".join(
        f"{line}\n"
        for rule in sorted(RULES, key=lambda rule: (rule.id, rule.name))
        for line in _describe(rule)
    )


def _find_changes(diff: ContractDiff) -> Iterator[Classification]:
    yield from apply_rules(_DIFF_RULES, [diff], diff.bump)
    yield from apply_rules(events.PAIR_RULES, diff.event_pairs, diff.bump)
    yield from apply_rules(presence.RULES, find_unmatched_fields(diff), diff.bump)
    pairs = [pair for owner in diff.owners for pair in owner.matched]
    yield from apply_rules(_FIELD_RULES, pairs, diff.bump)
    yield from apply_rules(enums.PAIR_RULES, diff.enum_pairs, diff.bump)


def _describe(rule: Rule[Any]) -> Iterator[str]:
    yield f"{rule.id} {rule.name}  {rule.impact or 'info'}"
    if rule.has_element_form:
        element = rule.for_element()
        yield f"    inside lists, maps and records: {element.id} {element.name}"
    yield f"    why: {rule.why}"
    for remedy in rule.remedies:
        yield f"    remedy: {remedy}"
    for remedy, resolved in (
        ("an upcast", rule.resolved_by_upcast),
        ("a new revision with a note", rule.resolved_by_revision),
        ("a new minor version", rule.resolved_by_minor),
        ("a new major version", rule.resolved_by_major),
    ):
        if resolved:
            yield f"    remedy: {remedy}, for {resolved}"
