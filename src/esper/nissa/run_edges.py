"""The first and the last events of a run, read without reading the log between them, for lists of many runs.

Most lines are decoded leniently, and payloads stay plain JSON. Lines that decide what a list shows are validated, so that
a list and a summary, which reads and validates the whole log, agree about them.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from esper._generated.checks import ContractError
from esper._generated.codec import inspect_line
from esper._generated.registry import VERSION
from esper._generated.unknown import UnknownPayload
from esper.leyline.errors import LogError
from esper.nissa.reader import is_later_major
from esper.nissa.segments import Segment, check_regular, find_segments

_HEAD_BYTES = 16 * 2**10
_TAIL_BYTES = 64 * 2**10
_MAX_TAIL_BYTES = 2**20
"""An epoch whose events take more than this is not found from the end."""


EPOCH_EVENTS = ("EPOCH_COMPLETED", "LOOP_EPOCH_COMPLETED")
"""The events that end an epoch, in a training loop of Esper and in one of the user's own."""
START_EVENTS = ("RUN_STARTED", "LOOP_STARTED")
"""The events that begin a run."""
_VALIDATED = frozenset(
    (
        *START_EVENTS,
        *EPOCH_EVENTS,
        "RUN_RESUMED",
        "RUN_FINISHED",
        "GOVERNOR_STOPPED",
        "SEED_FOSSILIZED",
    )
)


class PlainEvent(msgspec.Struct, frozen=True):
    """One line of a log, with the fields of the envelope that lists need."""

    v: str
    seq: int
    run: str
    rank: int
    boot: str
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
    """Events at the end of the last file, in order; at least back to the end of an epoch, where there is one nearby. Of
    the events that end an epoch, the last one."""
    num_resumptions: int
    """How many processes have resumed the run."""


def read_edges(folder: Path) -> RunEdges:
    """Read the events at both ends of the log of the run in `folder`; both are empty if the log is.

    Raises:
        RunNotFoundError: `folder` does not hold a run log.
        LogError: a file of the log cannot be read, or was written under a later major version of the contract.
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
    versions = {event.v for event in first}
    if versions and all(map(is_later_major, versions)):
        raise LogError(
            f"{folder}: the log was written under contract {min(versions)} and this Esper knows {VERSION}: update Esper"
        )
    num_resumptions = sum(
        any(event.event == "RUN_RESUMED" for event in head) for head in heads.values()
    )
    return RunEdges(
        first=_of_known_major(first), last=_of_known_major(last), num_resumptions=num_resumptions
    )


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


def _of_known_major(events: tuple[PlainEvent, ...]) -> tuple[PlainEvent, ...]:
    return tuple(event for event in events if not is_later_major(event.v))


def _read_head(segment: Segment) -> tuple[PlainEvent, ...]:
    return tuple(_decode(_read(segment.path, 0, _HEAD_BYTES), segment))


def _read_tail(segment: Segment) -> tuple[PlainEvent, ...]:
    size = segment.path.stat().st_size
    num_bytes = _TAIL_BYTES
    while True:
        start = max(size - num_bytes, 0)
        data = _read(segment.path, start, num_bytes)
        # Without the rest of the line in whose middle the tail begins.
        events = tuple(_decode(data.partition(b"\n")[2] if start else data, segment))
        has_epoch = any(event.event in EPOCH_EVENTS for event in events)
        if start == 0 or has_epoch or num_bytes >= _MAX_TAIL_BYTES:
            return events
        num_bytes *= 4


def _read(path: Path, start: int, num_bytes: int) -> bytes:
    check_regular(path)
    with path.open("rb") as file:
        file.seek(start)
        return file.read(num_bytes)


def _decode(data: bytes, segment: Segment) -> list[PlainEvent]:
    """Return the events of whole lines that belong to `segment`; of the ends of epochs the last one only.

    A line that comes twice counts where it comes first, as in `read_run`.
    """
    found: dict[int, tuple[bytes, PlainEvent]] = {}
    # The text after the last line end is a line that its writer has not finished.
    for line in data.split(b"\n")[:-1]:
        try:
            event = _DECODER.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue
        if event.rank == segment.rank and event.boot == segment.boot:
            found.setdefault(event.seq, (line, event))
    events = []
    has_epoch = False
    for line, event in reversed(found.values()):
        is_epoch = event.event in EPOCH_EVENTS
        # Validating all epochs of all runs would take seconds.
        if is_epoch and has_epoch:
            continue
        if event.event in _VALIDATED and not _is_readable(line, event):
            continue
        has_epoch |= is_epoch
        events.append(event)
    return events[::-1]


def _is_readable(line: bytes, event: PlainEvent) -> bool:
    """Return whether `read_run` would yield the event of a line, if its version of the contract can be read."""
    try:
        _, payload, _ = inspect_line(line)
    except ContractError:
        return is_later_major(event.v)
    return type(payload) is not UnknownPayload


_DECODER = msgspec.json.Decoder(PlainEvent)
