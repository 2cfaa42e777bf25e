"""The run log: append-only JSON lines, from which every other view of a run is made.

Each event is one `write(2)` of one whole line in the thread that emits, so that what was emitted outlives a killed
process. A disk that is full or fails must not end a training run: lines then wait in memory, in order, and every
later write tries again.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from esper._generated.channel import Payload
from esper._generated.codec import encode_line
from esper._generated.envelope import Envelope
from esper.leyline.errors import LogError
from esper.nissa.appender import Appender
from esper.nissa.notice import say
from esper.nissa.segments import LOG_FOLDER, MAX_LINE_BYTES
from esper.nissa.sink import Immediate


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLogConfig:
    """How a run log uses disk and memory."""

    segment_bytes: int = 256 * 2**20
    """Size from which a file is followed by the next; more than half a million lifecycle events."""
    max_waiting_bytes: int = 64 * 2**20
    """Bytes of lines that may wait in memory for the disk; events beyond are lost and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """A place between two events of a run log, as a checkpoint keeps it."""

    segment: str
    """Name of the file under way."""
    num_bytes: int
    """Bytes of it up to here."""
    next_seq: int
    """Number of the event after this place; a resumed run's hub starts with it."""


class _State(Enum):
    WRITING = "the disk takes every line"
    WAITING = "lines wait in memory for the disk"
    LOSING = "there is no room in memory either"


class RunLog(Immediate):
    """Writes the events of one hub to a run's folder.

    Attributes:
        num_lost: events for which there was room neither on the disk nor in memory.
    """

    def __init__(self, run_folder: Path, *, config: RunLogConfig | None = None) -> None:
        """Prepare to write under `run_folder`; the first event opens a file behind those that are there.

        Raises:
            LogError: the log's folder cannot be made or written.
        """
        self.num_lost = 0
        self._folder = _writable(Path(run_folder) / LOG_FOLDER)
        self._config = config or RunLogConfig()
        self._appender = Appender(self._folder, segment_bytes=self._config.segment_bytes)
        self._next_seq = 0
        self._waiting: deque[bytes] = deque()
        self._num_waiting_bytes = 0
        self._state = _State.WRITING
        self._is_closed = False
        # The hub brings one event at a time, but `sync` and `close` may come from other threads.
        self._lock = threading.RLock()

    @property
    def num_waiting(self) -> int:
        """Events that wait in memory for the disk."""
        return len(self._waiting)

    @property
    def position(self) -> LogPosition | None:
        """The place behind the last event; None while no file could be opened."""
        with self._lock:
            segment = self._appender.segment
            if segment is None:
                return None
            return LogPosition(
                segment=segment.name, num_bytes=self._appender.num_bytes, next_seq=self._next_seq
            )

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Append one event; trouble with the disk is said on standard error, not raised.

        Raises:
            ValueError: the event cannot be a line of this log.
        """
        line = encode_line(envelope, payload)
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"a log line must be at most {MAX_LINE_BYTES} bytes, got {len(line)}")
        with self._lock:
            if self._is_closed or self._appender.boot != envelope.boot:
                self._begin(envelope)
            self._next_seq = envelope.seq + 1
            self._waiting.append(line)
            self._num_waiting_bytes += len(line)
            if not self._try(self._write_waiting):
                self._bound_waiting()

    def sync(self) -> bool:
        """Bring all events so far to the disk itself, past its caches; return whether that succeeded."""
        with self._lock:
            return self._try(self._write_and_sync)

    def close(self) -> None:
        """Write what still waits and close the file; say what is lost because the disk does not take it."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._try(self._write_and_close)
            if self._waiting:
                self.num_lost += len(self._waiting)
                say(
                    f"the run log in {self._folder} ends without the {self.num_lost} events it has lost"
                )

    def _begin(self, envelope: Envelope) -> None:
        """Take the writer of the first event for the log's own, and refuse any other."""
        if self._is_closed:
            raise ValueError(
                "events must be written to an open log, got a closed one; make another"
            )
        if self._appender.boot is not None:
            raise ValueError(
                f"a log must have one hub, got events of {self._appender.boot} and of"
                f" {envelope.boot}; make a log for each"
            )
        self._appender.begin(rank=envelope.rank, boot=envelope.boot)

    def _write_waiting(self) -> None:
        waiting = self._waiting
        while waiting:
            line = waiting[0]
            num_written = self._appender.append(line)
            self._num_waiting_bytes -= num_written
            if num_written == len(line):
                waiting.popleft()
            else:
                waiting[0] = line[num_written:]

    def _write_and_sync(self) -> None:
        self._write_waiting()
        self._appender.sync()

    def _write_and_close(self) -> None:
        try:
            self._write_waiting()
        finally:
            self._appender.close()

    def _try(self, action: Callable[[], None]) -> bool:
        """Return whether the disk let `action` happen."""
        try:
            action()
        except OSError as error:
            if self._state is _State.WRITING:
                self._enter(_State.WAITING, f"cannot be written ({error}); events wait in memory")
            return False
        if self._state is not _State.WRITING:
            self._enter(_State.WRITING, f"is written again; {self.num_lost} events are lost")
        return True

    def _bound_waiting(self) -> None:
        """Lose the newest event when more wait than may; never the oldest, which may be half written."""
        if self._num_waiting_bytes <= self._config.max_waiting_bytes or len(self._waiting) == 1:
            return
        self._num_waiting_bytes -= len(self._waiting.pop())
        self.num_lost += 1
        if self._state is _State.WAITING:
            self._enter(_State.LOSING, "has no memory left to wait in; events are lost from now on")

    def _enter(self, state: _State, message: str) -> None:
        self._state = state
        say(f"the run log in {self._folder} {message}")


def _writable(folder: Path) -> Path:
    """Make `folder` and return it.

    Raises:
        LogError: it cannot be made or written.
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
