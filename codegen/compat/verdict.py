"""A verdict: a change, and how it is taken."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..contract.versions import BUMPS, Bump
from .impact import Break
from .rule import Change, Rule, Subject

Weight = Literal["error", "warning", "info"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A change, and how it is taken."""

    rule: Rule[Any]
    sighting: Change
    broken: Break
    """Who is broken in spite of a promise, and not let off by a legal way."""
    weight: Weight

    @property
    def key(self) -> str:
        """What an exemption from it is called."""
        return f"{self.rule.id} {self.sighting.subject}"

    @property
    def level(self) -> str:
        """Who is broken, in words; "info" when nobody is."""
        return str(self.broken) if self.broken else "info"


def apply(
    rules: Iterable[Rule[Subject]], subjects: Iterable[Subject], bump: Bump
) -> Iterator[Verdict]:
    """Hold each subject against each rule; `bump` is how much newer the version is."""
    subjects = list(subjects)
    for rule in rules:
        for subject in subjects:
            for sighting in rule.find(subject):
                yield weigh(rule, sighting, bump)


def weigh(rule: Rule[Any], sighting: Change, bump: Bump) -> Verdict:
    """Take a change as the promises, the legal ways and the version say."""
    broken = _promised_breaks(rule, sighting) & ~sighting.settled
    if sighting.is_upcast:
        broken &= ~rule.by_upcast
    if sighting.is_revised:
        broken &= ~rule.by_revision
    if bump in ("minor", "major"):
        broken &= ~rule.by_minor
    if bump == "major":
        broken &= ~rule.by_major
    weight: Weight = "error" if broken else "info"
    if broken == Break.SOURCE and sighting.mode.source == "minor":
        weight = "warning"
    if sighting.is_element and rule.is_structural:
        rule = rule.inside()
    return Verdict(rule=rule, sighting=sighting, broken=broken, weight=weight)


def needed_bump(verdicts: Iterable[Verdict]) -> Bump:
    """Return how much newer a version must be to carry these changes."""
    bumps = [_bump_for(one.rule, one.sighting) for one in verdicts]
    return max(bumps, key=BUMPS.index, default="none")


def _bump_for(rule: Rule[Any], sighting: Change) -> Bump:
    breaks = _promised_breaks(rule, sighting) & ~Break.POLICY
    if Break.WIRE_B in breaks and sighting.mode.stability == "stable":
        return "major"
    if Break.SOURCE in breaks and sighting.mode.source == "strict":
        return "major"
    return "minor" if breaks else rule.bump


def _promised_breaks(rule: Rule[Any], sighting: Change) -> Break:
    """Return who is broken by a change in spite of a promise, whatever legal way has been taken."""
    breaks = rule.breaks if sighting.breaks is None else sighting.breaks
    return breaks if rule.is_always else breaks & (sighting.mode.forbidden | Break.POLICY)
