"""Rows of a table as texts with columns of fixed width; also wide characters keep the columns straight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    width: int
    """Characters; 0 for a last column that takes the rest of the row."""
    is_right: bool = False
    """Whether its values end at its right edge, as numbers do."""


def draw_titles(columns: Sequence[Column], width: int) -> Text:
    """Return the row of titles."""
    return draw_row(columns, [Text(column.title, "bold dim") for column in columns], width)


def draw_row(columns: Sequence[Column], values: Sequence[Text], width: int) -> Text:
    """Return the values in their columns, one space apart, cut to `width` characters."""
    row = Text(no_wrap=True, end="")
    for index, (column, value) in enumerate(zip(columns, values, strict=True)):
        if index:
            row.append(" ")
        room = column.width or max(0, width - row.cell_len)
        row.append_text(fit(value, room, is_right=column.is_right))
    return row


def hang(line: Text, width: int, console: Console) -> list[Text]:
    """Return a line in parts of at most `width` characters, all with the indentation of the line."""
    if line.cell_len <= width:
        return [line]
    indent = min(len(line.plain) - len(line.plain.lstrip()), width // 2)
    parts = line[indent:].wrap(console, width - indent)
    return [Text.assemble(" " * indent, part) for part in parts]


def fit(text: Text, width: int, *, is_right: bool = False) -> Text:
    """Return `text` with exactly `width` characters: cut, with `…` at its end, or filled up with spaces."""
    plain = text.plain
    if (length := cell_len(plain)) > width:
        cut = set_cell_size(plain, max(0, width - 1))
        fitted = Text(cut, text.style, end="")
        # Rich fails at spans that begin after the end of a text.
        fitted.spans = [span for span in text.spans if span.start < len(cut)]
        # Assembled, so that the style is that of a part: `Text.render` leaves out that of the whole.
        return Text.assemble(fitted, "…" if width else "", end="")
    space = " " * (width - length)
    return Text.assemble(space, text, end="") if is_right else Text.assemble(text, space, end="")
