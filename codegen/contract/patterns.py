r"""Patterns of texts, in a subset of regular expressions that all output languages read alike.

A pattern is a choice of sequences. An item of a sequence is a character, an escaped character or a class of characters,
once or repeated. There are no groups, so no repetition contains another, and no shorthands like \d, which languages
read differently.
"""

import re
from dataclasses import dataclass
from functools import cache

MAX_CODE = 0x10FFFF
_ESCAPED = r"\\[.*+?()\[\]{}|^$\\/-]"
_MEMBER = rf"(?:[^\[\]\\^]|{_ESCAPED})"
_CLASS = rf"\[\^?{_MEMBER}+\]"
_CHARACTER = rf"(?:{_CLASS}|{_ESCAPED}|[^\\.^$*+?()\[\]{{}}|])"
_COUNT = r"(?:[*+?]|\{[0-9]{1,4}(?:,[0-9]{0,4})?\})"
_ITEM = re.compile(rf"(?P<characters>{_CHARACTER})(?P<count>{_COUNT}?)|\|")
# Some languages read these, inside a class, as operations on sets.
_SET_OPERATION = re.compile(r"--|&&|\|\||~~")

Ranges = tuple[tuple[int, int], ...]
"""A set of characters, as ranges of code points."""


@dataclass(frozen=True, slots=True)
class Item:
    """A set of characters, and how often one of them is repeated; `high` is None if there is no limit."""

    characters: Ranges
    low: int
    high: int | None


Sequence = tuple[Item, ...]


class PatternError(ValueError):
    """A pattern cannot be used; the message says why."""


@cache
def parse_pattern(pattern: str) -> tuple[Sequence, ...]:
    """Return the sequences of a pattern.

    Raises:
        PatternError: the pattern is not in the subset that all languages read alike, or is not valid.
    """
    sequences: list[list[Item]] = [[]]
    end = 0
    while end < len(pattern):
        match = _ITEM.match(pattern, end)
        if match is None:
            raise PatternError(f"the pattern is not understood from {pattern[end:][:20]} on")
        end = match.end()
        if match["characters"] is None:
            sequences.append([])
        else:
            low, high = _read_count(match["count"])
            sequences[-1].append(Item(_read_characters(match["characters"]), low, high))
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise PatternError(f"not a valid pattern: {error}") from None
    return tuple(tuple(one) for one in sequences)


def _read_count(text: str) -> tuple[int, int | None]:
    plain: dict[str, tuple[int, int | None]] = {
        "": (1, 1),
        "?": (0, 1),
        "*": (0, None),
        "+": (1, None),
    }
    if text in plain:
        return plain[text]
    low, comma, high = text[1:-1].partition(",")
    if not comma:
        return int(low), int(low)
    return int(low), int(high) if high else None


def _read_characters(text: str) -> Ranges:
    """Return the set of a class, or of a single character."""
    if text[0] != "[":
        return ((ord(text[-1]), ord(text[-1])),)
    is_negated = text[1] == "^"
    inner = text[2 if is_negated else 1 : -1]
    if _SET_OPERATION.search(inner):
        raise PatternError(f"languages read {text[:20]} differently, because of --, &&, || or ~~")
    atoms = re.findall(_MEMBER, inner)
    ranges = []
    while atoms:
        low = high = ord(atoms.pop(0)[-1])
        if len(atoms) >= 2 and atoms[0] == "-":
            high = ord(atoms[1][-1])
            del atoms[:2]
        ranges.append((low, high))
    return _complement(ranges) if is_negated else tuple(ranges)


def _complement(ranges: list[tuple[int, int]]) -> Ranges:
    found, start = [], 0
    for low, high in sorted(ranges):
        if start < low:
            found.append((start, low - 1))
        start = max(start, high + 1)
    if start <= MAX_CODE:
        found.append((start, MAX_CODE))
    return tuple(found)
