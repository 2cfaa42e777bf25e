"""Sets of texts: those that match a pattern and have an allowed length; and whether one set lies within others.

Inclusion is decided by reading all texts at once, letter by letter, as a subset construction does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..contract.nodes import OPEN, Bounds
from ..contract.patterns import MAX_CODE, Item, PatternError, Ranges, Sequence, parse_pattern

MAX_STATES = 4000
"""After so many states the search is given up, and the set counts as not included."""


@dataclass(frozen=True, slots=True)
class TextSet:
    """The texts that match `pattern` and have a length within `length`, without `excluded`; or exactly the `words`."""

    pattern: str | None = None
    length: Bounds = OPEN
    words: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()


_ANY: Ranges = ((0, MAX_CODE),)
_Place = tuple[int, int, int]
"""Where a reader is in a pattern: the choice, the item, and how often the item has been read."""


def includes(outer: tuple[TextSet, ...], inner: tuple[TextSet, ...]) -> bool:
    """Return whether every text of the sets `inner` is in one of the sets `outer`."""
    return all(_is_covered(one, outer) for one in inner)


def contains(sets: tuple[TextSet, ...], text: str) -> bool:
    """Return whether a text is in one of the sets."""
    return any(_has(one, text) for one in sets)


def _has(one: TextSet, text: str) -> bool:
    if one.words is not None:
        return text in one.words
    if text in one.excluded or not _is_within(len(text), one.length):
        return False
    return one.pattern is None or re.fullmatch(one.pattern, text) is not None


def _is_covered(inner: TextSet, outer: tuple[TextSet, ...]) -> bool:
    if inner.words is not None:
        return all(contains(outer, word) for word in inner.words)
    if any(_is_wider(one, inner) for one in outer):
        return True
    if inner.pattern is None and not any(one.words is None for one in outer):
        return False
    if inner.excluded:
        outer = (*outer, TextSet(words=inner.excluded))
    try:
        return _Search(inner, outer).is_included()
    except PatternError:
        return False


def _is_wider(outer: TextSet, inner: TextSet) -> bool:
    """Return whether inclusion follows from the attributes alone."""
    is_same = outer.pattern is None or outer.pattern == inner.pattern
    low, high = outer.length.low, outer.length.high
    is_low = low is None or low <= (inner.length.low or 0)
    is_high = high is None or (inner.length.high is not None and inner.length.high <= high)
    return (
        outer.words is None and outer.excluded <= inner.excluded and is_same and is_low and is_high
    )


class _Search:
    """Looks for a text of `inner` that is in none of the sets `outer`."""

    def __init__(self, inner: TextSet, outer: tuple[TextSet, ...]) -> None:
        self._sets = (inner, *outer)
        self._choices = [_choices_of(one) for one in self._sets]
        bounds = [one for set_ in self._sets for one in (set_.length.low, set_.length.high)]
        # Beyond the largest bound, all lengths are alike.
        self._longest = max((int(one) for one in bounds if one is not None), default=0) + 1
        self._letters = _letters_of(self._choices)

    def is_included(self) -> bool:
        start = (tuple(_start(choices) for choices in self._choices), 0)
        seen, waiting = {start}, [start]
        while waiting:
            places, length = waiting.pop()
            is_inside, *others = (self._accepts(i, one, length) for i, one in enumerate(places))
            if is_inside and not any(others):
                return False
            for letter in self._letters:
                read = tuple(
                    _read(choices, one, letter)
                    for choices, one in zip(self._choices, places, strict=True)
                )
                state = (read, min(length + 1, self._longest))
                if read[0] and state not in seen:
                    seen.add(state)
                    waiting.append(state)
            if len(seen) > MAX_STATES:
                return False
        return True

    def _accepts(self, index: int, places: frozenset[_Place], length: int) -> bool:
        choices = self._choices[index]
        is_end = any(_is_end(choices[choice], item, count) for choice, item, count in places)
        return is_end and _is_within(length, self._sets[index].length)


def _is_within(length: int, bounds: Bounds) -> bool:
    is_low = bounds.low is None or length >= bounds.low
    return is_low and (bounds.high is None or length <= bounds.high)


def _choices_of(one: TextSet) -> tuple[Sequence, ...]:
    """Return the sequences of characters that a text of a set has.

    Raises:
        PatternError: the pattern is from a release that allowed other patterns.
    """
    if one.words is not None:
        return tuple(
            tuple(Item(((ord(c), ord(c)),), 1, 1) for c in word) for word in sorted(one.words)
        )
    return ((Item(_ANY, 0, None),),) if one.pattern is None else parse_pattern(one.pattern)


def _letters_of(all_choices: list[tuple[Sequence, ...]]) -> tuple[int, ...]:
    """Return one letter, as code point, for each group of letters that no item distinguishes."""
    sets = {item.characters for choices in all_choices for items in choices for item in items}
    # Only where a range begins, or after its end, does a letter differ from the one before it.
    borders = {0} | {
        border for ranges in sets for low, high in ranges for border in (low, high + 1)
    }
    groups = {
        tuple(_matches(one, letter) for one in sorted(sets)): letter
        for letter in sorted(borders)
        if letter <= MAX_CODE
    }
    return tuple(groups.values())


def _matches(characters: Ranges, letter: int) -> bool:
    return any(low <= letter <= high for low, high in characters)


def _start(choices: tuple[Sequence, ...]) -> frozenset[_Place]:
    return frozenset((index, 0, 0) for index in range(len(choices)))


def _read(
    choices: tuple[Sequence, ...], places: frozenset[_Place], letter: int
) -> frozenset[_Place]:
    return frozenset(
        after
        for choice, item, count in places
        for after in _steps(choices[choice], choice, item, count, letter)
    )


def _steps(items: Sequence, choice: int, item: int, count: int, letter: int) -> Iterator[_Place]:
    """Yield the places after one more letter; items that may be empty are skipped."""
    while item < len(items):
        one = items[item]
        if (one.high is None or count < one.high) and _matches(one.characters, letter):
            # Above the least number, the repeats of an open item are alike.
            yield choice, item, min(count + 1, one.low) if one.high is None else count + 1
        if count < one.low:
            return
        item, count = item + 1, 0


def _is_end(items: Sequence, item: int, count: int) -> bool:
    while item < len(items):
        if count < items[item].low:
            return False
        item, count = item + 1, 0
    return True
