"""The only ways to make SQL out of something."""

import re
from collections.abc import Iterable

from ...diagnostics.errors import QuotingError
from .. import compose
from ..printable import Printable

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


class Sql(Printable):
    """SQL source."""

    __slots__ = ()


def name(text: str) -> Sql:
    """Print an identifier; quoted, so that no keyword of today or tomorrow is in the way."""
    return _quote(text, '"')


def lit(value: object) -> Sql:
    """Print null, a truth value, a number or a text."""
    if value is None or isinstance(value, bool):
        return Sql({None: "NULL", True: "TRUE", False: "FALSE"}[value])
    if isinstance(value, int | float):
        number = repr(value)
        if not _NUMBER.fullmatch(number):
            raise QuotingError(f"not a number of SQL: {number}")
        return Sql(number)
    assert isinstance(value, str)
    return _quote(value, "'")


def comment(text: str) -> Sql:
    """Print a comment that runs to the end of the line."""
    if not compose.is_one_line(text):
        raise QuotingError(f"not a comment: {text!r}")
    return Sql(f"-- {text}")


def code(template: str, **parts: Sql) -> Sql:
    """Put parts where `template`, a piece of SQL of ours, says $name."""
    return compose.fill(Sql, template, **parts)


def join(separator: str, parts: Iterable[Sql]) -> Sql:
    """Join parts with a separator of ours."""
    return compose.join(Sql, separator, parts)


def _quote(text: str, mark: str) -> Sql:
    if "\0" in text:
        raise QuotingError("SQL text cannot hold a NUL")
    token = mark + text.replace(mark, mark * 2) + mark
    # Pairs of marks are the only marks inside, so nothing ends the token early.
    if re.fullmatch(f"(?:[^{mark}]|{mark}{mark})*", token[1:-1]) is None:
        raise QuotingError(f"not quoted: {token}")
    return Sql(token)
