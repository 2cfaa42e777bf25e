"""Decides how the log of a run is read: by DuckDB, or through the reader where only that gives the events that count.

DuckDB reads files many times faster, but it does not know which events a resumed process has replaced, that a line without
its line end does not count, or how lines of an older version are converted. Whether a run needs any of this is seen at
the ends of its files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf
from pathlib import Path

import msgspec

from esper._generated.upcasters import needs_no_upcast
from esper.leyline.errors import LogError
from esper.leyline.text import encodable, printable
from esper.nissa.segments import Segment, check_regular, find_segments
from esper.nissa.writers import find_writers

_END_BYTES = 2**20
"""Most bytes that are read at each end of a file; a longer line there makes the run go through the reader."""


class _Line(msgspec.Struct):
    """The keys of a line that say where it belongs."""

    run: str
    rank: int
    boot: str
    seq: int
    v: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """The end of a file."""

    is_readable: bool
    """Whether DuckDB reads it as the reader does, who skips a last line without its line end, even if that is whole."""
    last: _Line | None
    """The last complete line; None if it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """The files of one run's log."""

    folder: Path
    run_id: str
    """Id of the run, as its lines have it; the name of the folder if no line can be read."""
    paths: tuple[Path, ...]
    """The files that hold anything, by rank and number."""
    is_plain: bool
    """Whether DuckDB may read the files itself."""


def find_files(folder: Path) -> RunFiles:
    """Find the files of the run in `folder`, and how they must be read.

    Raises:
        RunNotFoundError: `folder` does not hold a run log.
        LogError: a file cannot be read, or is a link to a file elsewhere.
    """
    segments, _ = find_segments(folder)
    for segment in segments:
        _check_place(segment)
    try:
        filled = [segment for segment in segments if segment.path.stat().st_size]
        heads = [_read_head(segment.path) for segment in filled]
        ends = {segment: _read_end(segment.path) for segment in filled}
        is_plain = _are_own(filled, heads, ends) and not _needs_reader(segments, ends)
        # DuckDB takes names of files as text in UTF-8 only.
        is_plain = is_plain and all(is_encodable(segment.path.resolve()) for segment in filled)
    except OSError as error:
        raise LogError(
            f"{folder}: a run log must be readable, got {error.strerror}; copy the run to a working disk"
        ) from error
    run_id = next((head.run for head in heads if head is not None), encodable(folder.name))
    if not is_plain:
        run_id = find_writers(segments)[1] or run_id
    return RunFiles(
        folder=folder,
        run_id=run_id,
        paths=tuple(segment.path for segment in filled),
        is_plain=is_plain,
    )


def is_encodable(path: Path) -> bool:
    """Return whether UTF-8 can encode a path; on Linux a name may have any bytes."""
    return encodable(str(path)) == str(path)


def _check_place(segment: Segment) -> None:
    """Check that a segment is a file of its own folder: a link could make a query read any other file.

    Raises:
        LogError: it is not.
    """
    check_regular(segment.path)
    if segment.path.is_symlink() and segment.path.resolve().parent != segment.folder.resolve():
        raise LogError(
            f"{printable(str(segment.path))}: a log file must be in the folder of its log, got a link to another place;"
            " copy the file there"
        )


def _are_own(
    segments: Sequence[Segment], heads: Sequence[_Line | None], ends: Mapping[Segment, _End]
) -> bool:
    """Return whether both ends of each file belong to the same run and to the file, and have the present form."""
    runs = set()
    for segment, head in zip(segments, heads, strict=True):
        for line in (head, ends[segment].last or head):
            if line is None or (line.rank, line.boot) != (segment.rank, segment.boot):
                return False
            if not _is_present(line.v):
                return False
            runs.add(line.run)
    return len(runs) <= 1


def _is_present(version: str) -> bool:
    try:
        return needs_no_upcast(version)
    except ValueError:
        return False


def _needs_reader(segments: Sequence[Segment], ends: Mapping[Segment, _End]) -> bool:
    """Return whether a file ends with a line that DuckDB would read although it does not count."""
    if not all(end.is_readable for end in ends.values()):
        return True
    by_rank = groupby(segments, key=lambda segment: segment.rank)
    if all(len({segment.boot for segment in of_rank}) == 1 for _, of_rank in by_rank):
        return False
    for writer in find_writers(segments)[0]:
        for segment in writer.segments if writer.end_seq < inf else ():
            last = ends[segment].last if segment in ends else None
            # Numbers rise, so the last line decides; damaged files are left to the reader.
            if segment in ends and (last is None or last.seq >= writer.end_seq):
                return True
    return False


def _read_head(path: Path) -> _Line | None:
    """Return the first line of a file; None if it cannot be read."""
    with path.open("rb") as file:
        return _decode(file.readline(_END_BYTES))


def _read_end(path: Path) -> _End:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(size - _END_BYTES, 0)
        file.seek(start)
        data = file.read(_END_BYTES)
    *complete, torn = data.split(b"\n")
    if start and len(complete) < 2:
        return _End(is_readable=False, last=None)
    last = _decode(complete[-1]) if complete else None
    return _End(is_readable=not torn or not _is_json(torn), last=last)


def _decode(data: bytes) -> _Line | None:
    try:
        return msgspec.json.decode(data, type=_Line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
