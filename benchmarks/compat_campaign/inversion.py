"""Inverts rules of compat one at a time, and checks that the oracle notices each of them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from benchmarks.compat_campaign.oracle import Evidence, judge
from codegen.compat import catalogue
from codegen.compat.impact import NO_IMPACT, Impact
from codegen.compat.rule import Change, Rule
from codegen.compat.rules import versions

_ALL = Impact.WIRE_B | Impact.WIRE_F | Impact.SOURCE | Impact.SEM
_TABLES: tuple[tuple[Any, str], ...] = (
    (catalogue, "_DIFF_RULES"),
    (catalogue, "_FIELD_RULES"),
    (catalogue.events, "PAIR_RULES"),
    (catalogue.presence, "RULES"),
    (catalogue.enums, "PAIR_RULES"),
    (versions, "RULES"),
)


def rules_of_pairs() -> list[str]:
    """Return the names of all rules that compare two contracts."""
    return [rule.name for module, table in _TABLES for rule in getattr(module, table)]


@contextmanager
def inverted(name: str) -> Iterator[None]:
    """Let one rule say within the block that nobody is broken where somebody is, and the other way round."""
    with mock.patch.multiple(catalogue, **_inverted_tables(catalogue, name)):
        patches = [
            mock.patch.object(module, table, _invert_all(getattr(module, table), name))
            for module, table in _TABLES
            if module is not catalogue
        ]
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()


def find_witness(name: str, pairs: Iterable[Evidence]) -> str:
    """Return a disagreement that an inverted rule causes in one of the pairs; empty if the oracle notices nothing."""
    with inverted(name):
        for evidence in pairs:
            found = judge(evidence).disagreements
            if found:
                return found[0]
    return ""


def _inverted_tables(module: Any, name: str) -> dict[str, tuple[Rule[Any], ...]]:
    return {
        table: _invert_all(getattr(module, table), name)
        for owner, table in _TABLES
        if owner is module
    }


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
