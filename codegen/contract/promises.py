"""What a contract says about change: how far it may go, how old records become new ones, what is excused."""

from dataclasses import dataclass, field
from typing import Literal

from ..diagnostics.findings import Span
from .nodes import Bounds, Given

WireMode = Literal["none", "backward", "forward", "full"]
SourceMode = Literal["none", "minor", "strict"]


@dataclass(frozen=True, kw_only=True)
class Promise:
    """How far changes may go; what is None follows from the stability."""

    wire: WireMode | None = None
    transitive: bool | None = None
    source: SourceMode | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """How one value of an old record gets its place and form: exactly one of move, fill and convert.

    Paths are made of keys on the wire; `seeds[].alpha` is the alpha of each item of the list seeds.
    """

    path: str
    span: Span = field(compare=False)
    move: str | None
    fill: Given | None
    convert: str | None
    factor: float | None
    offset: float | None
    round: bool
    clamp: Bounds | None
    values: Given | None
    otherwise: str | None


@dataclass(frozen=True, kw_only=True)
class EventUpcast:
    """How old records of one event become new ones, and the name under which they are read from then on."""

    event: str
    span: Span = field(compare=False)
    becomes: str | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Upcast:
    """How records of all versions before `version` become records of it."""

    version: str
    span: Span = field(compare=False)
    doc: str
    events: tuple[EventUpcast, ...]


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """A finding of the compatibility check that is excused until the end of a day."""

    name: str
    span: Span = field(compare=False)
    until: str
    why: str
