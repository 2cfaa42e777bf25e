"""What a code base does with a contract: what it emits, from what, and what it reads."""

from dataclasses import dataclass, field

from ..diagnostics.findings import Span

Arguments = dict[str, str | None]
"""The arguments of a call by parameter: a constant as one would write it, or None for anything else."""

DEFAULT = "its default"
"""Stands for the constant of a parameter that was given nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of an emission helper or of a frozen dataclass; `sources` are the classes its `source` may have."""

    place: Span
    arguments: Arguments
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Uses:
    """Calls and reads, by the dotted name of what is called or read."""

    emissions: dict[str, dict[Span, Call]] = field(default_factory=dict)
    constructions: dict[str, dict[Span, Call]] = field(default_factory=dict)
    reads: dict[str, set[Span]] = field(default_factory=dict)
