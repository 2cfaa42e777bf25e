"""Quoting for TypeScript: the only functions that turn texts of a contract into source."""

import json
import re
from collections.abc import Iterable

from ..diagnostics.errors import QuotingError
from . import compose
from .printable import Printable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class TypeScript(Printable):
    """TypeScript source."""

    __slots__ = ()


def name(text: str) -> TypeScript:
    """Return the name of a type or value.

    Raises:
        QuotingError: the text is not a valid name.
    """
    if not _NAME.fullmatch(text):
        raise QuotingError(f"not a valid TypeScript name: {text!r}")
    return TypeScript(text)


def key(text: str) -> TypeScript:
    """Return the key of a property, quoted if it must be."""
    return TypeScript(text) if _NAME.fullmatch(text) else lit(text)


def lit(text: str) -> TypeScript:
    """Return a text literal in ASCII, which is the same in JSON and TypeScript.

    Raises:
        QuotingError: the literal does not read back as the text.
    """
    token = json.dumps(text)
    if json.loads(token) != text or not token.isascii():
        raise QuotingError(f"not a valid literal: {token}")
    return TypeScript(token)


def doc(text: str) -> TypeScript:
    """Return a doc comment of one line.

    Raises:
        QuotingError: the text has several lines.
    """
    # A slash after an asterisk would end the comment.
    inside = text.replace("*/", "*\\/")
    if not compose.is_one_line(text) or "*/" in inside:
        raise QuotingError(f"a comment must be one line, got {text!r}")
    return TypeScript(f"/** {inside} */")


def code(template: str, **parts: TypeScript) -> TypeScript:
    """Replace each $name in `template`, which must not contain texts of a contract.

    Raises:
        TypeError: a part is not an instance of TypeScript.
    """
    return compose.fill(TypeScript, template, **parts)


def join(separator: str, parts: Iterable[TypeScript]) -> TypeScript:
    """Join parts with a separator, which must not contain texts of a contract.

    Raises:
        TypeError: a part is not an instance of TypeScript.
    """
    return compose.join(TypeScript, separator, parts)
