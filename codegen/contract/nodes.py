"""The building blocks of the classes that describe a contract: nodes, their keys, and values in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..diagnostics.findings import Span
from .forms import Form

Number = int | float
Stability = Literal["development", "beta", "stable"]
Stamp = Literal["sequence", "unix_ns", "unix_ms", "unix_s", "monotonic_ns", "process_id", "writer"]
"""The values that the generated channel puts on a line by itself."""
Plot = Literal["scalar", "step", "series", "text", "none"]
"""How tools show a value: as a point of a curve, as its x axis, as the name of the curve, as a text, or not at all."""
Level = Literal["debug", "info", "warning", "error"]
"""How important an event is, in ascending order."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value of any type; unlike a bare value, it distinguishes null from a key that is left out."""

    value: object


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest allowed value; None leaves that side open."""

    low: Number | None
    high: Number | None

    def within(self, outer: "Bounds") -> "Bounds":
        """Return these bounds, with those of `outer` on the sides that are open."""
        return Bounds(
            outer.low if self.low is None else self.low,
            outer.high if self.high is None else self.high,
        )


OPEN = Bounds(None, None)
INT64 = Bounds(-(2**63), 2**63 - 1)
BARE_COUNT = "1"
"""The unit of a number that only counts."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a node: its meaning, the form of its text (of each text, in a list), and that of the names under it."""

    doc: str
    form: Form | None = None
    names: Form | None = None


_NOWHERE = Span("", 1, 1)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Node:
    """A mapping in the file: the key it stands under, its place, and the places of the values of its keys."""

    name: str = ""
    span: Span = field(default=_NOWHERE, compare=False, repr=False)
    spans: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)

    def at(self, key: str) -> Span:
        """Return the place of the value of `key`, or of the whole mapping if the key is left out."""
        return self.spans.get(key, self.span)
