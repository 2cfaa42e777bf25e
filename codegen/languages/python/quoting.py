"""The only ways to make Python source out of something: names, literals, docstrings, and joining these.

Every token is proved when it is made: a literal must read back as its value, a docstring as its text.
"""

import ast
import keyword
import re
import textwrap
from collections.abc import Iterable
from functools import cache

from ...diagnostics.errors import QuotingError
from ..printable import Printable

LINE_LENGTH = 100
NO_BREAK = "\N{NO-BREAK SPACE}"
"""A space at which a docstring is not broken; it is printed as a plain one."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


class Python(Printable):
    """Python source."""

    __slots__ = ()


@cache
def ident(name: str) -> Python:
    """Print a name, dotted or not."""
    if not _NAME.fullmatch(name) or any(keyword.iskeyword(part) for part in name.split(".")):
        raise QuotingError(f"not a Python name: {name!r}")
    return Python(name)


def lit(value: object) -> Python:
    """Print a literal: None, a bool, a number, a text, or a tuple, list or dict of those."""
    if type(value) is str:
        return _lit_text(value)
    text = repr(value)
    if type(value) is int and int(text) == value:
        return Python(text)
    _prove(text, value)
    return Python(text)


@cache
def _lit_text(value: str) -> Python:
    text = repr(value)
    _prove(text, value)
    return Python(text)


def _prove(text: str, value: object) -> None:
    """Require that a literal reads back as its value."""
    try:
        read = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise QuotingError(f"not a literal: {text}") from None
    if read != value or type(read) is not type(value):
        raise QuotingError(f"not a literal: {text}")


@cache
def doc(text: str, indent: int = 0) -> Python:
    """Print a docstring, wrapped to fit behind `indent` columns."""
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
    """Print a comment of one line."""
    if not text.isprintable():
        raise QuotingError(f"not a comment: {text!r}")
    return Python(f"# {text}")


def code(template: str, **parts: Python) -> Python:
    """Put printable parts into a piece of source of ours; `template` must not hold text from a contract."""
    for part in parts.values():
        if type(part) is not Python:
            raise TypeError(f"a part of Python source must be Python, got {type(part).__name__}")
    return Python(template.format_map(parts))


def join(separator: str, parts: Iterable[Python]) -> Python:
    """Join printable parts with a separator of ours."""
    texts = list(parts)
    if any(type(text) is not Python for text in texts):
        raise TypeError("what is joined must be Python")
    return Python(separator.join(texts))


def _wrap(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
