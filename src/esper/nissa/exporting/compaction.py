"""Chooses small files of an export to be merged, so that many small additions do not leave many small files.

A file is merged with others that are about as large as it is: at the eighth of them. So a row is written again once for
each time that its file becomes eight times as large, and a table of any size has few files below `FULL_ROWS`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

FULL_ROWS: Final = 65_536
"""Rows from which a file is left as it is."""
MIN_FILES: Final = 8
"""Files of about the same size that are merged."""


def find_mergeable(files: Mapping[str, int]) -> list[Sequence[str]]:
    """Return groups of files to be merged, each in the order in which they were written.

    Args:
        files: rows of each file, by its path in the dataset: `event=EVENT/run=RUN/rank=RANK/part-NUMBER.FORMAT`.
    """
    groups: defaultdict[tuple[PurePosixPath, int], list[str]] = defaultdict(list)
    for name, num_rows in files.items():
        if num_rows < FULL_ROWS:
            groups[PurePosixPath(name).parent, _size_class(num_rows)].append(name)
    return [sorted(group) for group in groups.values() if len(group) >= MIN_FILES]


def _size_class(num_rows: int) -> int:
    """Return how often `num_rows` can be divided by the number of files that are merged."""
    size_class = 0
    while num_rows >= MIN_FILES:
        num_rows //= MIN_FILES
        size_class += 1
    return size_class
