"""Compatibility modes: who must not be broken by a change, from the stability and the promises of the contract."""

from dataclasses import dataclass, replace

from ..contract.model import Contract, Event
from ..contract.nodes import Stability
from ..contract.promises import Promise, SourceMode, WireMode
from .impact import NO_IMPACT, WIRE, Impact

STABILITIES: tuple[Stability, ...] = ("development", "beta", "stable")
"""From the weakest promise to the strongest."""

_WIRE_IMPACTS: dict[WireMode, Impact] = {
    "none": NO_IMPACT,
    "backward": Impact.WIRE_B,
    "forward": Impact.WIRE_F,
    "full": WIRE,
}
_SOURCE_MODES: tuple[SourceMode, ...] = ("none", "minor", "strict")


@dataclass(frozen=True, slots=True)
class CompatibilityMode:
    """Which changes of an event, record, field or enum are allowed."""

    protected: Impact
    """Who must not be broken."""
    source: SourceMode
    """Whether a minor version may break callers."""
    is_transitive: bool
    """Whether the records of all earlier versions must stay readable, and not those of the newest release alone."""
    stability: Stability

    def lowered_to(self, stability: Stability) -> "CompatibilityMode":
        """Return the mode of a part that may be less stable than the whole."""
        if STABILITIES.index(stability) >= STABILITIES.index(self.stability):
            return self
        part = MODES[stability]
        source = min(self.source, part.source, key=_SOURCE_MODES.index)
        protected = self.protected & part.protected
        return CompatibilityMode(protected, source, part.is_transitive, stability)

    def __or__(self, other: "CompatibilityMode") -> "CompatibilityMode":
        """Return the mode of a part that two users share: the stricter of their modes in every respect."""
        return CompatibilityMode(
            self.protected | other.protected,
            max(self.source, other.source, key=_SOURCE_MODES.index),
            self.is_transitive or other.is_transitive,
            max(self.stability, other.stability, key=STABILITIES.index),
        )

    def without_wire(self) -> "CompatibilityMode":
        """Return the mode of a value that is never serialized: only Python code can be broken."""
        return replace(self, protected=self.protected & ~WIRE)


MODES: dict[Stability, CompatibilityMode] = {
    "stable": CompatibilityMode(WIRE | Impact.SOURCE | Impact.SEM, "strict", True, "stable"),
    "beta": CompatibilityMode(Impact.WIRE_B | Impact.SOURCE | Impact.SEM, "minor", False, "beta"),
    "development": CompatibilityMode(NO_IMPACT, "none", False, "development"),
}
"""The mode of each stability."""


def mode_of(event: Event, contract: Contract) -> CompatibilityMode:
    """Return the mode of an event: that of its stability, adjusted by its `promise:` and that of its contract.

    A change is judged by the contract that was released, so that a promise cannot be lowered and broken at once.
    """
    mode = MODES[event.stability]
    for promise in (contract.promise, event.promise):
        mode = _adjust(mode, promise)
    return mode


def strictest_of(modes: list[CompatibilityMode]) -> CompatibilityMode:
    """Return the strictest mode of all users; without any, nothing is serialized and only Python code can be broken."""
    if not modes:
        return MODES["stable"].without_wire()
    strictest = modes[0]
    for mode in modes[1:]:
        strictest |= mode
    return strictest


def _adjust(mode: CompatibilityMode, promise: Promise) -> CompatibilityMode:
    if promise.wire is not None:
        protected = (mode.protected & ~WIRE) | _WIRE_IMPACTS[promise.wire]
        mode = replace(mode, protected=protected)
    if promise.source is not None:
        source = NO_IMPACT if promise.source == "none" else Impact.SOURCE
        protected = (mode.protected & ~Impact.SOURCE) | source
        mode = replace(mode, protected=protected, source=promise.source)
    if promise.transitive is not None:
        mode = replace(mode, is_transitive=promise.transitive)
    return mode
