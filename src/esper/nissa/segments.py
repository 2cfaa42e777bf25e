"""The files of a run log, called segments: `<run folder>/log/<rank>-<boot>-<number>.jsonl`.

A segment is written by one process and is never opened for writing again. A process that resumes a run starts a new
segment under its own random boot id. The numbers of a rank's segments go up across all its processes, so the number
alone gives the order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from esper.leyline.errors import LogError, RunNotFoundError

LOG_FOLDER = "log"
MAX_LINE_BYTES = 64 * 2**20
"""Longest line that is written or read; it limits a reader's memory on a damaged file."""
NAME_RULE = "a log file must be named RANK-BOOT-SEGMENT.jsonl; move other files elsewhere"

_NAME = re.compile(r"(?P<rank>\d{1,10})-(?P<boot>[0-9a-f]+)-(?P<number>\d{1,10})\.jsonl", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of a run log, identified by its name."""

    folder: Path
    rank: int
    """Rank of the process that wrote it."""
    boot: str
    """Random id of the process that wrote it, in hexadecimal digits."""
    number: int
    """Position among the segments of its rank, from 0."""

    @property
    def name(self) -> str:
        """File name; the number has at least four digits, so that a folder lists in order."""
        return f"{self.rank}-{self.boot}-{self.number:04d}.jsonl"

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.folder / self.name

    @classmethod
    def parse(cls, path: Path) -> Segment | None:
        """Return the segment at `path`; None if its name is not that of a segment."""
        match = _NAME.fullmatch(path.name)
        if match is None:
            return None
        rank, boot, number = match.group("rank", "boot", "number")
        return cls(folder=path.parent, rank=int(rank), boot=boot, number=int(number))


def find_segments(run_folder: Path) -> tuple[list[Segment], list[Path]]:
    """Return the segments of a run's log by rank and number, and the other `*.jsonl` files in its folder.

    Raises:
        RunNotFoundError: `run_folder` does not hold a run log.
        LogError: the log's folder cannot be listed.
    """
    folder = run_folder / LOG_FOLDER
    if not folder.is_dir():
        raise RunNotFoundError(
            f"a run must have a folder named {LOG_FOLDER}, but {run_folder} has no such folder; see: esper runs"
        )
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".jsonl")
    except OSError as error:
        raise LogError(
            f"{folder}: a run log must be readable, got {error.strerror}; copy the run to a working disk"
        ) from error
    parsed = {path: Segment.parse(path) for path in paths}
    segments = [segment for segment in parsed.values() if segment is not None]
    segments.sort(key=lambda segment: (segment.rank, segment.number, segment.boot))
    return segments, [path for path, segment in parsed.items() if segment is None]


def next_segment(folder: Path, *, rank: int, boot: str) -> Segment:
    """Return the segment that follows all segments of `rank` in the log folder `folder`.

    Raises:
        OSError: the folder cannot be listed.
    """
    segments = (Segment.parse(path) for path in folder.iterdir())
    numbers = [segment.number for segment in segments if segment and segment.rank == rank]
    return Segment(folder=folder, rank=rank, boot=boot, number=max(numbers, default=-1) + 1)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield number, from 1, and bytes of each line of a segment; memory holds one line at a time.

    A line with its line end has been written completely. Of a line longer than `MAX_LINE_BYTES`, which no writer
    writes, the first `MAX_LINE_BYTES + 1` bytes are given.

    Raises:
        LogError: the file cannot be read.
    """
    with open_segment(path) as file:
        number = 0
        while data := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            yield number, data
            if len(data) > MAX_LINE_BYTES:
                skip_line(file, data)


@contextmanager
def open_segment(path: Path) -> Iterator[BinaryIO]:
    """Open a segment for reading.

    Raises:
        LogError: the file cannot be read; also if that is found while it is open.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise LogError(
            f"{path}: a log file must be readable, got {error.strerror}; copy the run to a working disk"
        ) from error


def check_regular(path: Path) -> None:
    """Check that a segment is a regular file: opening a pipe that nobody writes to would block forever.

    Raises:
        LogError: it is something else.
    """
    if not path.is_file():
        raise LogError(
            f"{path}: a log file must be a regular file, not a folder or a pipe; move it elsewhere"
        )


def is_torn(data: bytes) -> bool:
    """Return whether a line of a log lacks its end, because its writer did not finish; only a last line can be torn."""
    return data[-1:] != b"\n" and len(data) <= MAX_LINE_BYTES


def skip_line(file: BinaryIO, data: bytes) -> None:
    """Read the rest of a line that begins with `data`, in pieces."""
    while data and not data.endswith(b"\n"):
        data = file.readline(MAX_LINE_BYTES)
