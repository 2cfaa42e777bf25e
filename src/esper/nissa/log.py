"""The run log: append-only JSON lines, the source of every summary and view of a run.

Each event is one `write(2)` of one whole line in the emitting thread, so an event whose helper has returned survives a
killed process. A full or failing disk must not end a training run: lines then wait in memory, in order, and every later
write tries again.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import final

from esper._generated.channel import Payload
from esper._generated.codec import encode_line
from esper._generated.envelope import Envelope
from esper.leyline.errors import LogError
from esper.leyline.text import pluralize
from esper.nissa.segments import LOG_FOLDER, MAX_LINE_BYTES, Segment, next_segment
from esper.nissa.sink import SynchronousSink
from esper.nissa.stderr import warn


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLogConfig:
    """Limits on a run log's use of disk and memory."""

    segment_bytes: int = 256 * 2**20
    """Size in bytes at which a file is closed and the next one started; more than half a million lifecycle events."""
    max_waiting_bytes: int = 64 * 2**20
    """Bytes of lines that may wait in memory while the disk is full; further events are lost and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """A position between two events of a run log; checkpoints store it."""

    segment: str
    """Name of the file that is being written."""
    num_bytes: int
    """Bytes of that file before the position."""
    next_seq: int
    """Number of the event after the position; the hub of the resumed run starts with it."""


class _State(Enum):
    """Where a line goes."""

    WRITING = "to the disk"
    WAITING = "to memory, because the disk cannot be written"
    LOSING = "nowhere, because the memory for waiting lines is full too"


@final
class RunLog(SynchronousSink):
    """Writes the events of one hub to `<run folder>/log/`: `hub.attach(RunLog(folder))`.

    Emitting blocks until the operating system has taken the line, so that events survive a killed process. They survive
    a power failure only after `sync`; the end of a file and `close` also flush it to the disk. Nothing is dropped while
    the disk can be written; while it cannot, up to `max_waiting_bytes` of lines wait in memory, and events beyond that
    are lost. Problems with the disk are printed to standard error and never raised.

    Attributes:
        num_lost: events for which there was room neither on the disk nor in memory.
    """

    def __init__(self, run_folder: Path, *, config: RunLogConfig | None = None) -> None:
        """Prepare to write under `run_folder`; the first event starts a new file after those of earlier processes.

        Raises:
            LogError: the log's folder cannot be created or written.
        """
        self.num_lost = 0
        self._folder = _make_folder(Path(run_folder) / LOG_FOLDER)
        self._config = config or RunLogConfig()
        self._writer = _SegmentWriter(self._folder, segment_bytes=self._config.segment_bytes)
        self._next_seq = 0
        self._waiting: deque[bytes] = deque()
        self._num_waiting_bytes = 0
        self._state = _State.WRITING
        self._is_closed = False
        # The hub calls `write` from one thread at a time, but `sync` and `close` may be called from other threads.
        self._lock = threading.RLock()

    @property
    def num_waiting(self) -> int:
        """Events that wait in memory because the disk has not taken them."""
        return len(self._waiting)

    @property
    def position(self) -> LogPosition | None:
        """The position after the last event; None until a file has been opened."""
        with self._lock:
            segment = self._writer.segment
            if segment is None:
                return None
            return LogPosition(
                segment=segment.name, num_bytes=self._writer.num_bytes, next_seq=self._next_seq
            )

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Append one event, or keep it in memory while the disk does not take it.

        Raises:
            ValueError: the log is closed, belongs to another hub, or the line is longer than `MAX_LINE_BYTES`.
        """
        line = encode_line(envelope, payload)
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"a log line must be at most {MAX_LINE_BYTES} bytes, got {len(line)}")
        with self._lock:
            if self._is_closed or self._writer.boot != envelope.boot:
                self._begin(envelope)
            self._next_seq = envelope.seq + 1
            self._waiting.append(line)
            self._num_waiting_bytes += len(line)
            if not self._try(self._write_waiting):
                self._limit_waiting()

    def sync(self) -> bool:
        """Write all waiting events and flush the file to the disk (`fsync`); return whether that succeeded.

        Blocks for as long as the disk needs, often some milliseconds.
        """
        with self._lock:
            return self._try(self._write_and_sync)

    def close(self) -> None:
        """Write the waiting events, flush and close the file; warn if events are lost because the disk refused them."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._try(self._write_and_close)
            if self._waiting:
                self.num_lost += len(self._waiting)
                warn(
                    f"the run log in {self._folder} is closed; {pluralize(self.num_lost, 'event')} lost"
                )

    def _begin(self, envelope: Envelope) -> None:
        """Make the hub of the first event the only one that this log accepts."""
        if self._is_closed:
            raise ValueError(
                "events must be written to an open log, but this one is closed; make a new log"
            )
        if self._writer.boot is not None:
            raise ValueError(
                f"a log must have one hub, got events of {self._writer.boot} and of"
                f" {envelope.boot}; make a log for each"
            )
        self._writer.begin(rank=envelope.rank, boot=envelope.boot)

    def _write_waiting(self) -> None:
        waiting = self._waiting
        while waiting:
            line = waiting[0]
            num_written = self._writer.append(line)
            self._num_waiting_bytes -= num_written
            if num_written == len(line):
                waiting.popleft()
            else:
                waiting[0] = line[num_written:]

    def _write_and_sync(self) -> None:
        self._write_waiting()
        self._writer.sync()

    def _write_and_close(self) -> None:
        try:
            self._write_waiting()
        finally:
            self._writer.close()

    def _try(self, action: Callable[[], None]) -> bool:
        """Call `action` and return whether it succeeded; warn when the disk stops or starts taking lines."""
        try:
            action()
        except OSError as error:
            if self._state is _State.WRITING:
                self._enter(_State.WAITING, f"cannot be written ({error}); events wait in memory")
            return False
        if self._state is not _State.WRITING:
            self._enter(
                _State.WRITING, f"is written again; {pluralize(self.num_lost, 'event')} lost"
            )
        return True

    def _limit_waiting(self) -> None:
        """Drop the newest event if too many bytes wait; never the oldest, which may be half written."""
        if self._num_waiting_bytes <= self._config.max_waiting_bytes or len(self._waiting) == 1:
            return
        self._num_waiting_bytes -= len(self._waiting.pop())
        self.num_lost += 1
        if self._state is _State.WAITING:
            self._enter(
                _State.LOSING, "has no memory left for waiting events; further events are lost"
            )

    def _enter(self, state: _State, message: str) -> None:
        self._state = state
        warn(f"the run log in {self._folder} {message}")


@final
class _SegmentWriter:
    """Writes the segments of one process, one after another.

    Errors of the disk are raised as OSError; the next call tries again.

    Attributes:
        boot: id of the process, part of every segment's name; None before `begin`.
        segment: the file that is being written; None before the first byte.
        num_bytes: bytes written to it.
    """

    def __init__(self, folder: Path, *, segment_bytes: int) -> None:
        """Write to new files in `folder`; start the next file when one has reached `segment_bytes`."""
        self.boot: str | None = None
        self.segment: Segment | None = None
        self.num_bytes = 0
        self._rank = 0
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._descriptor = -1

    def begin(self, *, rank: int, boot: str) -> None:
        """Set rank and boot id of the writing process, which name its segments."""
        self._rank = rank
        self.boot = boot

    def append(self, line: bytes) -> int:
        """Write a line, or the rest of one, with one system call; return how many bytes were written."""
        if self._descriptor < 0:
            self._open_next()
        num_written = os.write(self._descriptor, line)
        self.num_bytes += num_written
        if self.num_bytes >= self._segment_bytes and num_written == len(line):
            self.close()
        return num_written

    def sync(self) -> None:
        """Flush the file to the disk."""
        if self._descriptor >= 0:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Flush the file to the disk and close it; the next line opens another."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _open_next(self) -> None:
        assert self.boot is not None
        segment = next_segment(self._folder, rank=self._rank, boot=self.boot)
        # O_EXCL: a file that exists already belongs to another writer.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._descriptor = os.open(segment.path, flags, 0o666)
        self.segment = segment
        self.num_bytes = 0


def _make_folder(folder: Path) -> Path:
    """Create `folder` if it does not exist and return it.

    Raises:
        LogError: it cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogError(
            f"the run log's folder must be writable, got {folder} ({error.strerror}); choose another"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LogError(f"the run log's folder must be writable, got {folder}; choose another")
    return folder
