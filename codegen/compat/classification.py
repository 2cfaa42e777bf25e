"""Classification of changes: who is broken by each of them, and which version a comparison with them needs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..contract.model import Contract
from ..contract.versions import BUMPS, Bump, Version, parse_version
from ..history.baseline import Shapes
from .contract_diff import ContractDiff
from .impact import Impact
from .rule import Change, Rule, Subject

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, kw_only=True)
class Classification:
    """A change, the rule that found it, and how serious it is."""

    rule: Rule[Any]
    change: Change
    violated: Impact
    """Who is broken although the contract promised otherwise and nothing has resolved it."""
    severity: Severity

    @property
    def key(self) -> str:
        """The name of an exemption from it: `FLD001 SEED_PRUNED.reason`."""
        return f"{self.rule.id} {self.change.subject}"

    @property
    def affected(self) -> str:
        """Who is broken, as text; "info" when nobody is."""
        return str(self.violated) if self.violated else "info"


@dataclass(frozen=True)
class Comparison:
    """An old and a new contract with all classified changes between them."""

    diff: ContractDiff
    changes: tuple[Classification, ...]
    shapes: Shapes
    """Hashes of the output that targets rendered from the old contract; empty when it was not released."""

    @property
    def needed_bump(self) -> Bump:
        """The smallest step between versions that covers all changes, resolved or not."""
        if _without_release_data(self.diff.old) == _without_release_data(self.diff.new):
            return "none"
        bumps = [_bump_for(one.rule, one.change) for one in self.changes]
        return max(("patch", *bumps), key=BUMPS.index)

    def is_covered(self, one: Classification) -> bool:
        """Return whether the step between the versions is large enough for a change."""
        return BUMPS.index(_bump_for(one.rule, one.change)) <= BUMPS.index(self.diff.bump)

    @property
    def needed_version(self) -> Version:
        """The lowest version that the new contract may have."""
        return parse_version(self.diff.old.version).after(self.needed_bump)

    @property
    def upcast_version(self) -> Version:
        """The version that missing upcasts are for: that of the contract if it is new enough."""
        return max(self.needed_version, parse_version(self.diff.new.version))


def apply_rules(
    rules: Iterable[Rule[Subject]], subjects: Iterable[Subject], bump: Bump
) -> Iterator[Classification]:
    """Apply every rule to every subject and classify what they find; `bump` is the step between the versions."""
    subjects = list(subjects)
    for rule in rules:
        for subject in subjects:
            for change in rule.find(subject):
                yield classify(rule, change, bump)


def classify(rule: Rule[Any], change: Change, bump: Bump) -> Classification:
    """Classify a change by its compatibility mode, what has resolved it, and the step between the versions."""
    violated = _protected_impact(rule, change) & ~change.resolved
    if change.is_revised:
        violated &= ~rule.resolved_by_revision
    if bump in ("minor", "major"):
        violated &= ~rule.resolved_by_minor
    if bump == "major":
        violated &= ~rule.resolved_by_major
    severity: Severity = "error" if violated else "info"
    if violated == Impact.SOURCE and change.mode.source == "minor":
        severity = "warning"
    if change.is_element and rule.has_element_form:
        rule = rule.for_element()
    return Classification(rule=rule, change=change, violated=violated, severity=severity)


def _bump_for(rule: Rule[Any], change: Change) -> Bump:
    impact = _protected_impact(rule, change) & ~Impact.POLICY
    if Impact.WIRE_B in impact and change.mode.stability == "stable":
        return "major"
    if Impact.SOURCE in impact and change.mode.source == "strict":
        return "major"
    left = impact & ~change.resolved & ~rule.resolved_by_minor
    if change.is_revised:
        left &= ~rule.resolved_by_revision
    # Readers of a major version read all that its later minor versions write.
    is_major = Impact.WIRE_F in impact or Impact.SEM in left & rule.resolved_by_major
    if is_major and not Impact.SEM & left & rule.resolved_by_revision:
        return "major"
    return "minor" if impact else rule.bump


def _protected_impact(rule: Rule[Any], change: Change) -> Impact:
    """Return who is affected by a change and protected by the contract, whether or not it has been resolved."""
    impact = rule.impact if change.impact is None else change.impact
    return impact if rule.is_unconditional else impact & (change.mode.protected | Impact.POLICY)


def _without_release_data(contract: Contract) -> Contract:
    """Leave out the parts of a contract that may change without a new version."""
    return replace(contract, path="", version="", exemptions=())
