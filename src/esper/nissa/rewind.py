"""Truncates a run log at the position of a checkpoint and moves the events after it to another folder.

A resumed run trains the epochs after its checkpoint again and emits their events again. The events of the process that
died must leave the log, or every reader would count them twice. They move to `log/superseded/`, which no reader reads.
"""

from __future__ import annotations

from pathlib import Path

from esper.leyline.atomic import write_atomically
from esper.leyline.errors import LogError
from esper.nissa.log import LogPosition
from esper.nissa.run_lock import Role, RunLock, describe_holder
from esper.nissa.segments import LOG_FOLDER, Segment, check_regular, find_segments

SUPERSEDED_FOLDER = "superseded"


def rewind(run_folder: Path, position: LogPosition | None, *, rank: int = 0) -> int:
    """Truncate the log of `rank` at `position`, or empty it when None; return how many events were moved away.

    If the process dies in the middle, the log is unchanged or partly truncated; calling this again completes it.

    Raises:
        RunNotFoundError: `run_folder` does not hold a run log.
        LogError: the log does not reach to `position`, or is being written.
        OSError: a file could not be read, written or moved.
    """
    segments = [one for one in find_segments(run_folder)[0] if one.rank == rank]
    lock = RunLock.acquire(run_folder, Role.LOG, rank=rank)
    if lock is None:
        raise LogError(
            f"a run must have ended before its log is rewound, got {run_folder}, which"
            f" {describe_holder(run_folder, rank=rank)} writes; wait until that ends or stop it"
        )
    try:
        return _rewind(run_folder, segments, position)
    finally:
        lock.release()


def _rewind(run_folder: Path, segments: list[Segment], position: LogPosition | None) -> int:
    """Do the work of `rewind` on the segments of one rank."""
    if position is None:
        return sum(_move_away(segment) for segment in reversed(segments))
    held = [segment for segment in segments if segment.name == position.segment]
    if not held or held[0].path.stat().st_size < position.num_bytes:
        raise LogError(
            f"the log in {run_folder / LOG_FOLDER} must reach to byte {position.num_bytes} of"
            f" {position.segment}, as the checkpoint says, but it is shorter; put the missing file back"
        )
    later = [segment for segment in segments if segment.number > held[0].number]
    num_events = sum(_move_away(segment) for segment in reversed(later))
    return num_events + _truncate(held[0], position.num_bytes)


def _move_away(segment: Segment) -> int:
    """Move a whole file to the superseded ones; return how many events it holds."""
    num_events = _read(segment).count(b"\n")
    segment.path.replace(_unused_path(segment))
    return num_events


def _truncate(segment: Segment, num_bytes: int) -> int:
    """Keep the first `num_bytes` of a file and copy the rest to the superseded ones; return how many events that is."""
    content = _read(segment)
    kept, rest = content[:num_bytes], content[num_bytes:]
    if not rest:
        return 0
    _unused_path(segment).write_bytes(rest)
    write_atomically(segment.path, lambda file: file.write(kept))
    return rest.count(b"\n")


def _read(segment: Segment) -> bytes:
    check_regular(segment.path)
    return segment.path.read_bytes()


def _unused_path(segment: Segment) -> Path:
    """Return a path in the folder of superseded files that no earlier resumption has used."""
    folder = segment.folder / SUPERSEDED_FOLDER
    folder.mkdir(exist_ok=True)
    number = 0
    while (path := folder / f"{segment.path.stem}.{number}.jsonl").exists():
        number += 1
    return path
