"""A compatibility rule, and the changes that it finds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ..contract.versions import Bump
from ..diagnostics.findings import Span
from .impact import NO_IMPACT, Impact
from .modes import CompatibilityMode
from .readings import Claim

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class RequiredUpcast:
    """A step of an upcast, as YAML, without which old records of an event cannot be read; and whether the contract has it."""

    event: str
    step: str
    is_present: bool


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of the contract that a rule has found."""

    subject: str
    """Name of the changed part, as exemptions refer to it: `SEED_PRUNED.reason`."""
    span: Span
    description: str
    """The old and the new value, such as "float -> int", or a short sentence."""
    mode: CompatibilityMode
    impact: Impact | None = None
    """Who is affected, where it differs from the impact of the rule; None where it does not."""
    resolved: Impact = NO_IMPACT
    """The part of the impact that the contract has already resolved, by upcasts or a deprecation."""
    claims: frozenset[Claim] = frozenset()
    """Why readers refuse records because of the change."""
    required_upcasts: tuple[RequiredUpcast, ...] = ()
    """Steps of upcasts that help new readers to read old records; empty when no upcast can."""
    remedies: tuple[str, ...] = ()
    """Remedies of this change alone; those of its kind are in the rule."""
    is_revised: bool = False
    """Whether the event has a new revision, with a note."""
    is_element: bool = False
    """Whether the change is inside a list, a map or a record."""


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[Subject]):
    """A rule: how to find a kind of change in a subject, who is affected by it, and how it can be resolved."""

    id: str
    name: str
    find: Callable[[Subject], Iterable[Change]]
    impact: Impact = NO_IMPACT
    why: str
    remedies: tuple[str, ...] = ()
    """Remedies besides those that follow from the attributes below."""
    resolved_by_upcast: Impact = NO_IMPACT
    """The part of the impact that an upcast can resolve; whether one has is part of the change."""
    resolved_by_revision: Impact = NO_IMPACT
    """The part of the impact that a new revision of the event, with a note, resolves."""
    resolved_by_minor: Impact = NO_IMPACT
    """The part of the impact that a new minor version resolves."""
    resolved_by_major: Impact = NO_IMPACT
    bump: Bump = "none"
    """The smallest step between versions that the change needs even if nobody is broken."""
    is_unconditional: bool = False
    """Whether the rule applies at every stability."""
    has_element_form: bool = False
    """Whether a change inside a list, a map or a record is reported under the id FLD024."""
    is_exemptable: bool = True

    def for_element(self) -> "Rule[Subject]":
        """Return this rule under the id and name for changes inside a list, a map or a record."""
        return replace(self, id="FLD024", name=f"ELEMENT_{self.name}")
