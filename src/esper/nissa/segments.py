"""The files of a run log, called segments: `<run folder>/log/<rank>-<boot>-<number>.jsonl`.

A segment is written by one process and is never opened for writing again. A process that resumes a run starts a new
segment under its own random boot id. The numbers of a rank's segments go up across all its processes, so the number
alone gives the order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a segment."""

    path: Path
    number: int
    """Line number, from 1."""
    data: bytes
    """The bytes of the line, with its line end."""

    @property
    def is_torn(self) -> bool:
        """Whether the line end is missing, because the writer did not finish; only a file's last line can be torn."""
        return not self.data.endswith(b"\n")

    @property
    def place(self) -> str:
        """Path and line number, as compilers print them."""
        return f"{self.path}:{self.number}"


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


def find_end_seqs(
    segments: Sequence[Segment], read_seq: Callable[[Line], int | None]
) -> list[float]:
    """Return for each segment of one rank the first event number that a later segment replaces.

    A resumed process continues from a checkpoint, so its first event may have a number that an earlier process used
    as well. Infinity means that no later segment replaces anything.

    Args:
        segments: all segments of one rank, in order.
        read_seq: returns the number of the event on a whole line, None if it cannot be read.

    Raises:
        LogError: a file cannot be read. Errors of `read_seq` are passed on.
    """
    first_seqs = [_first_seq(segment, read_seq) for segment in segments]
    return [min(first_seqs[index + 1 :], default=inf) for index in range(len(segments))]


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a segment; memory holds one line at a time.

    Raises:
        LogError: the file cannot be read, or a line is longer than `MAX_LINE_BYTES`.
    """
    if not path.is_file():
        # Opening a pipe that nobody writes to would block forever.
        raise LogError(
            f"{path}: a log file must be a regular file, not a folder or a pipe; move it elsewhere"
        )
    try:
        with path.open("rb") as file:
            number = 0
            while data := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                line = Line(path=path, number=number, data=data)
                if len(data) > MAX_LINE_BYTES:
                    raise LogError(
                        f"{line.place}: a line must be at most {MAX_LINE_BYTES} bytes, got more;"
                        " the file is damaged or not a run log"
                    )
                yield line
    except OSError as error:
        raise LogError(
            f"{path}: a log file must be readable, got {error.strerror}; copy the run to a working disk"
        ) from error


def _first_seq(segment: Segment, read_seq: Callable[[Line], int | None]) -> float:
    """Return the number of a segment's first event; infinity if it is empty or its first line cannot be read."""
    for line in read_lines(segment.path):
        seq = None if line.is_torn else read_seq(line)
        return inf if seq is None else seq
    return inf
