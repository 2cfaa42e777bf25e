"""Puts pieces of source together that are printable already."""

import re
from collections.abc import Iterable
from typing import TypeVar

from .printable import Printable

_PrintableType = TypeVar("_PrintableType", bound=Printable)
_SLOT = re.compile(r"\$([a-z]+)")
_BREAK = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def is_one_line(text: str) -> bool:
    """Tell whether no reader takes a text for more than one line."""
    return not _BREAK.search(text)


def fill(language: type[_PrintableType], template: str, **parts: Printable) -> _PrintableType:
    """Put printable parts where `template`, a piece of source of ours, says $name."""

    def find(match: re.Match[str]) -> str:
        return _require(language, parts[match.group(1)])

    return language(_SLOT.sub(find, template))


def join(
    language: type[_PrintableType], separator: str, parts: Iterable[Printable]
) -> _PrintableType:
    """Join printable parts with a separator of ours."""
    return language(separator.join(_require(language, part) for part in parts))


def _require(language: type[Printable], part: Printable) -> str:
    if type(part) is not language:
        raise TypeError(f"a part of {language.__name__} must be it, got {type(part).__name__}")
    return part
