"""Quoting for SQL: the only functions that turn texts of a contract into source."""

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
    """Return an identifier, always quoted, so that it may equal a keyword of any version.

    Raises:
        QuotingError: the text contains a NUL.
    """
    return _quote(text, '"')


def lit(value: object) -> Sql:
    """Return the literal of null, a truth value, a number or a text.

    Raises:
        QuotingError: the number is NaN or infinite, or the text contains a NUL.
    """
    if value is None or isinstance(value, bool):
        return Sql({None: "NULL", True: "TRUE", False: "FALSE"}[value])
    if isinstance(value, int | float):
        number = repr(value)
        if not _NUMBER.fullmatch(number):
            raise QuotingError(f"SQL has no literal for {number}")
        return Sql(number)
    assert isinstance(value, str)
    return _quote(value, "'")


def comment(text: str) -> Sql:
    """Return a comment that runs to the end of the line.

    Raises:
        QuotingError: the text has several lines.
    """
    if not compose.is_one_line(text):
        raise QuotingError(f"a comment must be one line, got {text!r}")
    return Sql(f"-- {text}")


def code(template: str, **parts: Sql) -> Sql:
    """Replace each $name in `template`, which must not contain texts of a contract.

    Raises:
        TypeError: a part is not an instance of Sql.
    """
    return compose.fill(Sql, template, **parts)


def join(separator: str, parts: Iterable[Sql]) -> Sql:
    """Join parts with a separator, which must not contain texts of a contract.

    Raises:
        TypeError: a part is not an instance of Sql.
    """
    return compose.join(Sql, separator, parts)


def _quote(text: str, mark: str) -> Sql:
    if "\0" in text:
        raise QuotingError("SQL text cannot contain a NUL")
    token = mark + text.replace(mark, mark * 2) + mark
    # Inside, marks occur only in pairs, so nothing ends the token early.
    if re.fullmatch(f"(?:[^{mark}]|{mark}{mark})*", token[1:-1]) is None:
        raise QuotingError(f"not quoted correctly: {token}")
    return Sql(token)
