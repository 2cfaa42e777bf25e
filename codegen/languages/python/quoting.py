"""Quoting for Python: the only functions that turn texts of a contract into source, and that combine source.

Each checks its result: a literal must evaluate to its value, a docstring to its text.
"""

import ast
import keyword
import re
import textwrap
from collections.abc import Iterable
from functools import cache

from ...diagnostics.errors import QuotingError
from .. import compose
from ..printable import Printable

LINE_LENGTH = 100
NO_BREAK = "\N{NO-BREAK SPACE}"
"""A space at which a docstring is not wrapped; it is printed as a plain space."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


class Python(Printable):
    """Python source."""

    __slots__ = ()


@cache
def ident(name: str) -> Python:
    """Return a name, which may be dotted.

    Raises:
        QuotingError: it is not a name, or a keyword.
    """
    if not _NAME.fullmatch(name) or any(keyword.iskeyword(part) for part in name.split(".")):
        raise QuotingError(f"not a Python name: {name!r}")
    return Python(name)


def lit(value: object) -> Python:
    """Return the literal of None, a bool, a number, a text, or a tuple, list or dict of those.

    Raises:
        QuotingError: the literal would not evaluate to the value.
    """
    if type(value) is str:
        return _lit_text(value)
    text = repr(value)
    if type(value) is int and int(text) == value:
        return Python(text)
    _verify(text, value)
    return Python(text)


@cache
def _lit_text(value: str) -> Python:
    text = repr(value)
    _verify(text, value)
    return Python(text)


def _verify(text: str, value: object) -> None:
    """Raise QuotingError unless a literal evaluates to its value."""
    try:
        read = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise QuotingError(f"not a literal: {text}") from None
    if read != value or type(read) is not type(value):
        raise QuotingError(f"not a literal: {text}")


@cache
def doc(text: str, indent: int = 0) -> Python:
    """Return a docstring, wrapped to fit into lines that are indented by `indent` columns.

    Raises:
        QuotingError: the docstring would not evaluate to the text.
    """
    core = text.rstrip('"')
    quoted = core.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    quoted += '\\"' * (len(text) - len(core))
    lines = _wrap(quoted, LINE_LENGTH - indent - 3)
    if len(lines[-1]) > LINE_LENGTH - indent - 6:
        lines = _wrap(quoted, LINE_LENGTH - indent - 6)
    token = '"""' + f"\n{' ' * indent}".join(lines).replace(NO_BREAK, " ") + '"""'
    if ast.literal_eval(token).split() != text.split():
        raise QuotingError(f"not a docstring: {token}")
    return Python(token)


def comment(text: str) -> Python:
    """Return a comment of one line.

    Raises:
        QuotingError: the text has a line break or another character that cannot be printed.
    """
    if not text.isprintable():
        raise QuotingError(f"not a comment: {text!r}")
    return Python(f"# {text}")


def code(template: str, **parts: Python) -> Python:
    """Replace each {name} in `template`, which must not contain texts of a contract.

    Raises:
        TypeError: a part is not an instance of Python.
    """
    for part in parts.values():
        if type(part) is not Python:
            raise TypeError(f"a part of Python source must be Python, got {type(part).__name__}")
    return Python(template.format_map(parts))


def join(separator: str, parts: Iterable[Python]) -> Python:
    """Join parts with a separator, which must not contain texts of a contract.

    Raises:
        TypeError: a part is not an instance of Python.
    """
    return compose.join(Python, separator, parts)


def _wrap(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
