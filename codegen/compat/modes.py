"""How far something may change: what its stability promises, unless it promises otherwise."""

from dataclasses import dataclass, replace

from ..contract.model import Contract, Event
from ..contract.nodes import Stability
from ..contract.promises import Promise, SourceMode, WireMode
from .impact import NOTHING, WIRE, Break

STABILITIES: tuple[Stability, ...] = ("development", "beta", "stable")
"""From the loosest to the firmest."""

_WIRE: dict[WireMode, Break] = {
    "none": NOTHING,
    "backward": Break.WIRE_B,
    "forward": Break.WIRE_F,
    "full": WIRE,
}
_SOURCES: tuple[SourceMode, ...] = ("none", "minor", "strict")


@dataclass(frozen=True, slots=True)
class Mode:
    """How far something may change: who must not be broken, and how a break of callers is taken."""

    forbidden: Break
    source: SourceMode
    is_transitive: bool
    stability: Stability

    def at(self, stability: Stability) -> "Mode":
        """Return the mode of a part, which may be promised less firmly than the whole."""
        if STABILITIES.index(stability) >= STABILITIES.index(self.stability):
            return self
        part = MODES[stability]
        source = min(self.source, part.source, key=_SOURCES.index)
        return Mode(self.forbidden & part.forbidden, source, part.is_transitive, stability)

    def __or__(self, other: "Mode") -> "Mode":
        """Return the stricter mode: that of what two share."""
        return Mode(
            self.forbidden | other.forbidden,
            max(self.source, other.source, key=_SOURCES.index),
            self.is_transitive or other.is_transitive,
            max(self.stability, other.stability, key=STABILITIES.index),
        )


MODES: dict[Stability, Mode] = {
    "stable": Mode(WIRE | Break.SOURCE | Break.SEM, "strict", True, "stable"),
    "beta": Mode(Break.WIRE_B | Break.SOURCE | Break.SEM, "minor", False, "beta"),
    "development": Mode(NOTHING, "none", False, "development"),
}
"""What each stability promises."""


def mode_of(event: Event, contract: Contract, stability: Stability) -> Mode:
    """Return how far an event may change that was promised with `stability`."""
    mode = MODES[stability]
    for promise in (contract.promise, event.promise):
        mode = _follow(mode, promise)
    return mode


def _follow(mode: Mode, promise: Promise) -> Mode:
    if promise.wire is not None:
        mode = replace(mode, forbidden=(mode.forbidden & ~WIRE) | _WIRE[promise.wire])
    if promise.source is not None:
        source = NOTHING if promise.source == "none" else Break.SOURCE
        forbidden = (mode.forbidden & ~Break.SOURCE) | source
        mode = replace(mode, forbidden=forbidden, source=promise.source)
    if promise.transitive is not None:
        mode = replace(mode, is_transitive=promise.transitive)
    return mode
