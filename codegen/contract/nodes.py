"""What contracts are written with: mappings of keys, each with its meaning and form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..diagnostics.findings import Span
from .forms import Form

Number = int | float
Stability = Literal["development", "beta", "stable"]


@dataclass(frozen=True, slots=True)
class Given:
    """A value of whatever type; unlike None it tells null from nothing."""

    value: object


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest value that are allowed; None leaves that side open."""

    low: Number | None
    high: Number | None


@dataclass(frozen=True, slots=True)
class Key:
    """What a key means, the form of its text (of each, in a list), and that of the names under it."""

    doc: str
    form: Form | None = None
    names: Form | None = None


_NOWHERE = Span("", 1, 1)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Node:
    """A mapping of the file: the key it stands under, its place, and the places of what it holds."""

    name: str = ""
    span: Span = _NOWHERE
    spans: Mapping[str, Span] = field(default_factory=dict, repr=False)

    def at(self, key: str) -> Span:
        """Return the place of the value of `key`, or of this mapping when it has none."""
        return self.spans.get(key, self.span)
