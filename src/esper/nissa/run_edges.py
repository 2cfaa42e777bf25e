"""The first and the last events of a run, read without reading the log between them, for lists of many runs.

The lines are decoded leniently: a damaged one is skipped, and payloads stay plain JSON. `read_run` reads a log in full and
validates it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from esper.leyline.errors import LogError
from esper.nissa.segments import Segment, find_segments

_HEAD_BYTES = 16 * 2**10
_TAIL_BYTES = 64 * 2**10
_MAX_TAIL_BYTES = 2**20
"""An epoch whose events take more than this is not found from the end."""


EPOCH_EVENTS = ("EPOCH_COMPLETED", "LOOP_EPOCH_COMPLETED")
"""The events that end an epoch, in a training loop of Esper and in one of the user's own."""


class PlainEvent(msgspec.Struct, frozen=True):
    """One line of a log, with the fields of the envelope that lists need."""

    run: str
    event: str
    t_wall_ns: int
    payload: dict[str, Any]
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEdges:
    """The events at both ends of a run's log, for the lowest rank."""

    first: tuple[PlainEvent, ...]
    """Events at the start of the first file."""
    last: tuple[PlainEvent, ...]
    """Events at the end of the last file, in order; at least back to the end of an epoch, where there is one nearby."""
    num_resumptions: int
    """How many processes have resumed the run."""


def read_edges(folder: Path) -> RunEdges:
    """Read the events at both ends of the log of the run in `folder`; both are empty if the log is.

    Raises:
        RunNotFoundError: `folder` does not hold a run log.
        LogError: a file of the log cannot be read.
    """
    segments, _ = find_segments(folder)
    segments = [one for one in segments if one.rank == segments[0].rank]
    try:
        heads = {one.boot: _read_head(one) for one in reversed(segments)}
        last = next(filter(None, map(_read_tail, reversed(segments))), ())
    except OSError as error:
        raise LogError(
            f"{error.filename}: a log file must be readable, got {error.strerror}; copy the run to a working disk"
        ) from error
    first = next(filter(None, reversed(heads.values())), ())
    num_resumptions = sum(
        any(event.event == "RUN_RESUMED" for event in head) for head in heads.values()
    )
    return RunEdges(first=first, last=last, num_resumptions=num_resumptions)


def is_running(folder: Path) -> bool:
    """Return whether a process holds a lock on the run in `folder`, which a process that has ended cannot do."""
    return any(map(_is_locked, folder.glob(".lock*")))


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        # Shared, so that two lists do not see each other; closing the file releases it.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # The file system has no locks.
        return False
    finally:
        os.close(descriptor)
    return False


def _read_head(segment: Segment) -> tuple[PlainEvent, ...]:
    return tuple(_decode(_read(segment.path, 0, _HEAD_BYTES)))


def _read_tail(segment: Segment) -> tuple[PlainEvent, ...]:
    size = segment.path.stat().st_size
    num_bytes = _TAIL_BYTES
    while True:
        start = max(size - num_bytes, 0)
        data = _read(segment.path, start, num_bytes)
        # Without the rest of the line in whose middle the tail begins.
        events = tuple(_decode(data.partition(b"\n")[2] if start else data))
        has_epoch = any(event.event in EPOCH_EVENTS for event in events)
        if start == 0 or has_epoch or num_bytes >= _MAX_TAIL_BYTES:
            return events
        num_bytes *= 4


def _read(path: Path, start: int, num_bytes: int) -> bytes:
    if not path.is_file():
        # Opening a pipe that nobody writes to would block forever.
        return b""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(num_bytes)


def _decode(data: bytes) -> Iterator[PlainEvent]:
    """Yield the events of whole, undamaged lines."""
    for line in data.split(b"\n"):
        try:
            yield _DECODER.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue


_DECODER = msgspec.json.Decoder(PlainEvent)
