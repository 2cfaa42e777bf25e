"""Findings: problems in a contract, each with its place in the file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

Level = Literal["error", "warning"]


class Span(NamedTuple):
    """A place in a file; lines and columns count from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Finding:
    """A problem: its place, the id of the rule, the message, and a hint how to fix it."""

    span: Span
    rule: str
    message: str
    hint: str = ""
    level: Level = "error"


class Findings:
    """Collects the findings of all stages, so that all problems of a contract are reported at once."""

    def __init__(self) -> None:
        self._found: set[Finding] = set()

    def add(
        self, span: Span, rule: str, message: str, hint: str = "", level: Level = "error"
    ) -> None:
        """Add a finding; equal findings are kept once."""
        finding = Finding(
            span=span, rule=rule, message=_reveal(message), hint=_reveal(hint), level=level
        )
        self._found.add(finding)

    def __iter__(self) -> Iterator[Finding]:
        """Yield the findings in the order of the file."""
        return iter(sorted(self._found))

    def __len__(self) -> int:
        return len(self._found)

    @property
    def has_errors(self) -> bool:
        """Whether any finding is an error, so that no code may be generated."""
        return any(finding.level == "error" for finding in self._found)


def _reveal(text: str) -> str:
    """Escape characters that a terminal hides or executes: messages quote texts of the contract."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
