"""What can be wrong with a run log."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FlawKind = Literal[
    "not_json",
    "missing",
    "unknown",
    "mistyped",
    "out_of_range",
    "retired",
    "deprecated",
    "repeated",
    "newer",
    "foreign",
    "gap",
    "torn",
    "invalid",
]
"""Kinds of flaws. Of a line: it is no JSON object; a key is missing, unknown, of the wrong type, outside its bounds, a
name of the past, one that should no longer be used, there twice; it is of a newer contract; it, or the file, belongs to
another log; its number does not follow; it was not written to its end; the decoder refuses it for another reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What is wrong with a line: its event and field, where they are known, and the rule with what was got."""

    kind: FlawKind
    message: str
    event: str | None = None
    field: str | None = None

    @property
    def subject(self) -> str:
        """What it is about, such as SEED_PRUNED.reason; empty when that is the line as a whole."""
        return ".".join(name for name in (self.event, self.field) if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A complaint and its place; line 0 stands for the whole file."""

    path: Path
    line: int
    complaint: Complaint

    @property
    def place(self) -> str:
        """Where it is, as compilers say it."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)
