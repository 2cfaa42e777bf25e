"""The only ways to make TypeScript out of something."""

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
    """Print the name of a type or value."""
    if not _NAME.fullmatch(text):
        raise QuotingError(f"not a TypeScript name: {text!r}")
    return TypeScript(text)


def key(text: str) -> TypeScript:
    """Print the key of a property: bare where that is allowed, else quoted."""
    return TypeScript(text) if _NAME.fullmatch(text) else lit(text)


def lit(text: str) -> TypeScript:
    """Print a text literal; in ASCII, which is JSON and TypeScript alike."""
    token = json.dumps(text)
    if json.loads(token) != text or not token.isascii():
        raise QuotingError(f"not a literal: {token}")
    return TypeScript(token)


def doc(text: str) -> TypeScript:
    """Print a doc comment of one line."""
    # A slash behind an asterisk would end the comment.
    inside = text.replace("*/", "*\\/")
    if not compose.is_one_line(text) or "*/" in inside:
        raise QuotingError(f"not a comment: {text!r}")
    return TypeScript(f"/** {inside} */")


def code(template: str, **parts: TypeScript) -> TypeScript:
    """Put parts where `template`, a piece of TypeScript of ours, says $name."""
    return compose.fill(TypeScript, template, **parts)


def join(separator: str, parts: Iterable[TypeScript]) -> TypeScript:
    """Join parts with a separator of ours."""
    return compose.join(TypeScript, separator, parts)
