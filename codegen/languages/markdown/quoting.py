"""Quoting for Markdown: the only functions that turn texts of a contract into source."""

import re
from collections.abc import Iterable

from ...diagnostics.errors import QuotingError
from .. import compose
from ..printable import Printable

# These characters begin or end markup; an underscore inside a word does not.
_SPECIAL = re.compile(r"[\\`*\[\]<>&|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# Characters that make a line a heading, a rule, or an item of a list.
_AT_START = re.compile(r"\A([0-9]*)((?<![0-9])(?:#|[=-]+\Z|[+-](?=\s|\Z))|(?<=[0-9])[.)](?=\s|\Z))")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_PLAIN_SPAN = re.compile(r"[^`|\s]+( [^`|\s]+)*")


class Markdown(Printable):
    """Markdown source, as CommonMark with GitHub's tables."""

    __slots__ = ()


def text(plain: str) -> Markdown:
    """Return a text that is shown as it is, in a paragraph or a cell.

    Raises:
        QuotingError: the text has several lines, or does not read back after escaping.
    """
    if not compose.is_one_line(plain):
        raise QuotingError(f"a text must be one line, got {plain!r}")
    escaped = _AT_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\g<0>", plain))
    if _ESCAPED.sub(r"\1", escaped) != plain:
        raise QuotingError(f"not escaped correctly: {escaped}")
    return Markdown(escaped)


def span(plain: str) -> Markdown:
    """Return a span of code."""
    if _PLAIN_SPAN.fullmatch(plain):
        return Markdown(f"`{plain}`")
    # Backticks, bars in tables and spaces at the ends have rules of their own in a span; entities do not.
    entities = "".join(f"&#{ord(one)};" if not one.isalnum() else one for one in plain)
    return Markdown(f"<code>{entities}</code>")


def link(plain: str, anchor: str) -> Markdown:
    """Return a link to a heading of the same page.

    Raises:
        QuotingError: the anchor is not the name of a heading.
    """
    if not re.fullmatch("[a-z0-9_-]+", anchor):
        raise QuotingError(f"not a valid anchor: {anchor!r}")
    return Markdown(f"[{span(plain)}](#{anchor})")


def code(template: str, **parts: Markdown) -> Markdown:
    """Replace each $name in `template`, which must not contain texts of a contract.

    Raises:
        TypeError: a part is not an instance of Markdown.
    """
    return compose.fill(Markdown, template, **parts)


def join(separator: str, parts: Iterable[Markdown]) -> Markdown:
    """Join parts with a separator, which must not contain texts of a contract.

    Raises:
        TypeError: a part is not an instance of Markdown.
    """
    return compose.join(Markdown, separator, parts)
