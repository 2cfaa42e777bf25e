"""Reads the newest event of a log from the end of its files, so that a new writer knows what is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from esper.nissa.segments import Segment

_BLOCK_BYTES = 2**16


class LastEvent(msgspec.Struct, frozen=True):
    """The fields of a log line that a new writer must know."""

    seq: int
    """Number of the event."""
    run: str
    """Id of the run."""


def read_last_event(path: Path) -> LastEvent | None:
    """Return the last event of a file whose line is whole; None if there is no such line.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        for line in _lines_from_end(file):
            try:
                return msgspec.json.decode(line, type=LastEvent)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
    return None


def find_last_event(folder: Path, *, rank: int) -> LastEvent | None:
    """Return the event of `rank` with the highest number in the log folder; None if it has no event.

    Every file is looked at, because two writers may have written the same numbers.

    Raises:
        OSError: the folder or a file cannot be read.
    """
    segments = (Segment.parse(path) for path in folder.glob("*.jsonl"))
    paths = [one.path for one in segments if one is not None and one.rank == rank]
    events = [event for path in paths if path.is_file() and (event := read_last_event(path))]
    return max(events, key=lambda event: event.seq, default=None)


def _lines_from_end(file: BinaryIO) -> Iterator[bytes]:
    """Yield the whole lines of a file, the last one first, without their line ends."""
    end = file.seek(0, 2)
    rest = b""
    num_bytes = _BLOCK_BYTES
    while end > 0:
        start = max(0, end - num_bytes)
        num_bytes *= 2  # so that a very long line is not copied once for each block
        file.seek(start)
        first, *others = (file.read(end - start) + rest).split(b"\n")
        if others:
            # The text after the last line end is a line that its writer has not finished.
            yield from reversed(others[:-1])
            rest = first + b"\n"
        else:
            rest = first
        end = start
    if rest.endswith(b"\n"):
        yield rest[:-1]
