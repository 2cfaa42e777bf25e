"""Finds the line of a key in a TOML file, since `tomllib` reads values without their places."""

import re
from collections.abc import Iterator, Sequence

_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"' -]+?)\s*=")


def find_line(text: str, table: Sequence[str], key: str = "", *, index: int = 0) -> int:
    """Return the line, from 1, of a key of a table; without `key`, or if it cannot be found, that of the table.

    `table` is the dotted name of the table as a list, and `index` its number if it is an array of tables. The result is
    1 if the table cannot be found either.
    """
    wanted = (*table, key) if key else tuple(table)
    numbers: dict[tuple[str, ...], int] = {}
    best, depth = 1, 0
    for line, name in _names(text, numbers):
        shared = name == wanted[: len(name)]
        # In an array of tables, keys count only in the table with the right number.
        is_other = any(numbers.get(name[:end], index) != index for end in range(1, len(name) + 1))
        if shared and not is_other and len(name) > depth:
            best, depth = line, len(name)
    return best


def _names(text: str, numbers: dict[tuple[str, ...], int]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the lines of tables and keys with their full names; keep the number of each array's present table."""
    table: tuple[str, ...] = ()
    for line, content in enumerate(text.split("\n"), 1):
        header = _HEADER.match(content)
        if header:
            table = _split(header.group(2))
            if header.group(1) == "[[":
                numbers[table] = numbers.get(table, -1) + 1
            yield line, table
            continue
        key = _KEY.match(content)
        if key:
            yield line, (*table, *_split(key.group(1)))


def _split(name: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in name.split("."))
