"""Inverts rules of compat one at a time, and checks that the oracle notices each of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from codegen.compat import catalogue, exemptions
from codegen.compat.impact import NO_IMPACT, Impact
from codegen.compat.rule import Change, Rule
from codegen.compat.rules import archive, history, versions

_ALL = Impact.WIRE_B | Impact.WIRE_F | Impact.SOURCE | Impact.SEM
_TABLES: tuple[tuple[Any, str], ...] = (
    (catalogue, "_DIFF_RULES"),
    (catalogue, "_FIELD_RULES"),
    (catalogue.events, "PAIR_RULES"),
    (catalogue.presence, "RULES"),
    (catalogue.enums, "PAIR_RULES"),
    (versions, "RULES"),
    (archive, "RULES"),
    (exemptions, "RULES"),
)
RULES_OF_ARCHIVES = frozenset(
    rule.name for rule in (*archive.RULES, archive.GOLDEN_RULE, *exemptions.RULES)
) | {"TARGET_SHAPE_CHANGED"}
"""The names of the rules that need an archive of releases."""


OUTSIDE = frozenset(rule.name for rule in history.RULES)
"""The names of rules about all releases of a contract. No reader can show what they say, and their own tests hold them."""


def all_rules() -> list[str]:
    """Return the names of all rules that the oracle checks."""
    return [rule.name for module, table in _TABLES for rule in getattr(module, table)] + [
        archive.GOLDEN_RULE.name
    ]


@contextmanager
def inverted(name: str) -> Iterator[None]:
    """Let one rule say within the block that nobody is broken where somebody is, and the other way round."""
    with ExitStack() as stack:
        for module, table in _TABLES:
            rules = _invert_all(getattr(module, table), name)
            stack.enter_context(mock.patch.object(module, table, rules))
        if archive.GOLDEN_RULE.name == name:
            rule = _invert(archive.GOLDEN_RULE)
            stack.enter_context(mock.patch.object(archive, "GOLDEN_RULE", rule))
        yield


def _invert_all(rules: tuple[Rule[Any], ...], name: str) -> tuple[Rule[Any], ...]:
    return tuple(_invert(rule) if rule.name == name else rule for rule in rules)


def _invert(rule: Rule[Any]) -> Rule[Any]:
    return replace(
        rule,
        find=_inverted_find(rule),
        resolved_by_revision=NO_IMPACT,
        resolved_by_minor=NO_IMPACT,
        resolved_by_major=NO_IMPACT,
    )


def _inverted_find(rule: Rule[Any]) -> Callable[[Any], Iterator[Change]]:
    def find(subject: Any) -> Iterator[Change]:
        for change in rule.find(subject):
            impact = rule.impact if change.impact is None else change.impact
            is_broken = bool(impact & ~change.resolved)
            yield replace(
                change,
                impact=NO_IMPACT if is_broken else _ALL,
                resolved=NO_IMPACT,
                # With its claims, the rule also answers for what the rules about whole records would report.
                claims=change.claims if is_broken else frozenset(),
            )

    return find
