"""What a compatibility rule is, and what it sees."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ..contract.versions import Bump
from ..diagnostics.findings import Span
from .impact import NOTHING, Break
from .modes import Mode

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Upcastable:
    """Where an upcast could give old records their new form, and the step that would."""

    event: str
    step: str
    is_given: bool


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change that a rule has seen."""

    subject: str
    """What has changed, as exemptions call it: SEED_PRUNED.reason."""
    span: Span
    what: str
    """The change itself: "float -> int"."""
    mode: Mode
    """How far the subject may change."""
    breaks: Break | None = None
    """Who is broken, where it is fewer than the rule says."""
    settled: Break = NOTHING
    """Who is not, because the contract took a legal way."""
    upcasts: tuple[Upcastable, ...] = ()
    """What would let new readers read old records; empty when nothing would."""
    ways: tuple[str, ...] = ()
    """Ways forward that only this change has."""
    is_revised: bool = False
    """Whether the event has a new revision, with a note that says what has changed."""
    is_element: bool = False
    """Whether the change is inside a list, a map or a record."""

    @property
    def is_upcast(self) -> bool:
        """Whether every old record is given its new form."""
        return bool(self.upcasts) and all(one.is_given for one in self.upcasts)


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[Subject]):
    """A rule: the change it looks for, who is broken by it, and what makes the change legal."""

    id: str
    name: str
    find: Callable[[Subject], Iterable[Change]]
    breaks: Break = NOTHING
    why: str
    ways: tuple[str, ...] = ()
    """Ways forward beside those that the attributes below tell."""
    by_upcast: Break = NOTHING
    """What an upcast settles."""
    by_revision: Break = NOTHING
    """What a new revision of the event, with a note, settles."""
    by_minor: Break = NOTHING
    """What a new minor version settles."""
    by_major: Break = NOTHING
    """What a new major version settles."""
    bump: Bump = "none"
    """How much newer the version must be when nobody is broken."""
    is_always: bool = False
    """Whether it holds however little is promised."""
    is_structural: bool = False
    """Whether it has another id for what is inside a list, a map or a record."""
    is_exemptable: bool = True

    def inside(self) -> "Rule[Subject]":
        """Return this rule as it is called for what is inside a list, a map or a record."""
        return replace(self, id="FLD024", name=f"ELEMENT_{self.name}")
