"""Combines pieces of source that are printable already."""

import re
from collections.abc import Iterable
from typing import TypeVar

from .printable import Printable

_PrintableType = TypeVar("_PrintableType", bound=Printable)
_SLOT = re.compile(r"\$([a-z]+)")
_BREAK = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def is_one_line(text: str) -> bool:
    """Return whether every reader takes the text for one line, whatever it accepts as a line end."""
    return not _BREAK.search(text)


def fill(language: type[_PrintableType], template: str, **parts: Printable) -> _PrintableType:
    """Replace each $name in `template`, which must not contain texts of a contract, with a printable part.

    Raises:
        TypeError: a part is not an instance of `language`.
    """

    def find(match: re.Match[str]) -> str:
        return _require(language, parts[match.group(1)])

    return language(_SLOT.sub(find, template))


def join(
    language: type[_PrintableType], separator: str, parts: Iterable[Printable]
) -> _PrintableType:
    """Join printable parts with a separator, which must not contain texts of a contract.

    Raises:
        TypeError: a part is not an instance of `language`.
    """
    return language(separator.join(_require(language, part) for part in parts))


def _require(language: type[Printable], part: Printable) -> str:
    if type(part) is not language:
        raise TypeError(
            f"a part of {language.__name__} must be {language.__name__}, got {type(part).__name__}"
        )
    return part
