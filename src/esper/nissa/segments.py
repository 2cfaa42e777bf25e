"""The files of a run log: `<run folder>/log/<rank>-<boot>-<segment>.jsonl`.

Each file has one writer and is never opened for writing again. Segment numbers of a rank grow over rotation and
over resumed processes, whose boots differ, so they alone say which file follows which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LOG_FOLDER = "log"
MAX_LINE_BYTES = 64 * 2**20
"""Longest line that is written or read; guards a reader's memory against a damaged file."""

_NAME = re.compile(r"(?P<rank>\d{1,10})-(?P<boot>[0-9a-f]+)-(?P<number>\d{1,10})\.jsonl", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of a run log, by its name."""

    folder: Path
    rank: int
    boot: str
    number: int

    @property
    def name(self) -> str:
        """The file's name, padded so that a folder lists in order."""
        return f"{self.rank}-{self.boot}-{self.number:04d}.jsonl"

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.folder / self.name

    @classmethod
    def parse(cls, path: Path) -> Segment | None:
        """Return the segment that a path names; None when it names none."""
        match = _NAME.fullmatch(path.name)
        if match is None:
            return None
        rank, boot, number = match.group("rank", "boot", "number")
        return cls(folder=path.parent, rank=int(rank), boot=boot, number=int(number))


def next_segment(folder: Path, *, rank: int, boot: str) -> Segment:
    """Return the segment that follows all segments of `rank` in `folder`."""
    segments = (Segment.parse(path) for path in folder.iterdir())
    numbers = [segment.number for segment in segments if segment and segment.rank == rank]
    return Segment(folder=folder, rank=rank, boot=boot, number=max(numbers, default=-1) + 1)
