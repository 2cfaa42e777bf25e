"""What is wrong with a contract, and where."""

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
    """One thing that is wrong, with the rule that says so and the way out."""

    span: Span
    rule: str
    message: str
    hint: str = ""
    level: Level = "error"


class Findings:
    """Collects what the stages find, so that a contract is judged as a whole."""

    def __init__(self) -> None:
        self._found: set[Finding] = set()

    def add(
        self, span: Span, rule: str, message: str, hint: str = "", level: Level = "error"
    ) -> None:
        """Note one thing; noting it twice is noting it once."""
        finding = Finding(
            span=span, rule=rule, message=_reveal(message), hint=_reveal(hint), level=level
        )
        self._found.add(finding)

    def __iter__(self) -> Iterator[Finding]:
        """Go through the findings in the order of the file."""
        return iter(sorted(self._found))

    def __len__(self) -> int:
        return len(self._found)

    @property
    def has_errors(self) -> bool:
        """Whether anything stands in the way of generating code."""
        return any(finding.level == "error" for finding in self._found)


def _reveal(text: str) -> str:
    """Escape what a terminal would not show, or would obey: messages quote what contracts say."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
