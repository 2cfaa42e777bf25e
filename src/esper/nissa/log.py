"""The run log: append-only JSON lines, the source of every summary and view of a run.

Each event is one `write(2)` of one whole line in the emitting thread, so an event whose helper has returned survives a
killed process. A full or failing disk must not end a training run: lines then wait in memory, in order, and every later
write tries again.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NoReturn, final

from esper._generated.channel import Payload
from esper._generated.codec import encode_line, preload_events
from esper._generated.envelope import Envelope
from esper.leyline.errors import LogError
from esper.leyline.interrupts import raised_by_signal_handler
from esper.leyline.text import pluralize, printable
from esper.nissa.log_tail import find_last_event
from esper.nissa.run_lock import Role, RunLock, describe_holder
from esper.nissa.segment_writer import SegmentWriter
from esper.nissa.segments import LOG_FOLDER, MAX_LINE_BYTES
from esper.nissa.sink import EventOrigin, SynchronousSink
from esper.nissa.stderr import warn


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLogConfig:
    """Limits on a run log's use of disk and memory."""

    segment_bytes: int = 256 * 2**20
    """Size in bytes at which a file is closed and the next one started; more than half a million lifecycle events."""
    max_waiting_bytes: int = 64 * 2**20
    """Bytes of lines that may wait in memory while the disk is full; further events are lost and counted."""
    check_interval_s: float = 1.0
    """Seconds after which an event, before it is written, has the log check that its file is still there; `sync` always
    checks. Twice a `stat`, some microseconds."""


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

    One process at a time writes a rank of a run: attaching locks it, and is refused while another log is open for it, or if
    the folder holds events and the hub does not resume them. A log's folder that is removed, renamed or replaced while it is
    written is noticed at the next `sync`, or by the first event after `check_interval_s`, and made again with the events of
    the newest file.
    """

    def __init__(
        self, run_folder: Path, *, append: bool = False, config: RunLogConfig | None = None
    ) -> None:
        """Prepare to write under `run_folder`; the first event starts a new file after those of earlier processes.

        With `append`, a new hub adds its events to those that are there: its numbers continue theirs.

        Raises:
            LogError: the log's folder cannot be created or written.
        """
        # Now, because a process that can open no more files must still write why it ends.
        preload_events()
        # Absolute: the process may change its current folder.
        self.run_folder = Path(run_folder).absolute()
        self.config = config or RunLogConfig()
        self._folder = _make_folder(self.run_folder / LOG_FOLDER)
        self._append = append
        self._writer = SegmentWriter(self.run_folder, segment_bytes=self.config.segment_bytes)
        self._next_seq = 0
        self._check_at_ns = 0
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._num_waiting_bytes = 0
        self._num_dropped = 0
        self._waiting_since_ns = 0
        self._state = _State.WRITING
        self._is_closed = False
        # The hub calls `write` from one thread at a time, but `sync` and `close` may be called from other threads.
        self._lock = threading.RLock()
        weakref.finalize(self, self._writer.abandon).atexit = False

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a log belongs to one process; pass hub.handle() to the other one, and call Hub.join(handle) there"
        )

    @property
    def num_lost(self) -> int:
        """Events for which there was no room on the disk or in memory, or whose file was removed."""
        return self._num_dropped + self._writer.num_missing

    @property
    def num_waiting(self) -> int:
        """Events that wait in memory because the disk has not taken them."""
        return len(self._waiting)

    @property
    def num_bytes(self) -> int:
        """Bytes of the events that the disk has taken, in all files."""
        return self._writer.num_bytes_in_all

    @property
    def waiting_since_ns(self) -> int | None:
        """Time of `time.monotonic_ns` at which the oldest event began to wait in memory; None if no event waits."""
        return self._waiting_since_ns if self._waiting else None

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

    def open(self, origin: EventOrigin) -> int:
        """Lock the rank of the run for the hub that attaches this log; return the number of the hub's next event.

        Raises:
            LogError: another log is open for the rank, or the folder holds events that the hub's would hide.
            ValueError: the log is closed, or belongs to another hub.
        """
        with self._lock:
            self._check_hub(origin.boot)
            if self._writer.boot is not None:
                return origin.next_seq
            lock = self._acquire(origin.rank)
            try:
                next_seq = self._after_earlier_events(origin)
            except BaseException:
                lock.release()
                raise
            self._next_seq = next_seq
            self._writer.begin(rank=origin.rank, boot=origin.boot, next_seq=next_seq, lock=lock)
            return next_seq

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Append one event, or keep it in memory while the disk does not take it.

        Raises:
            LogError: the log was not attached to a hub, and `open` would raise it.
            ValueError: the log is closed, belongs to another hub, or the line is longer than `MAX_LINE_BYTES`.
        """
        line = encode_line(envelope, payload)
        num_bytes = len(line)
        if num_bytes > MAX_LINE_BYTES:
            raise ValueError(f"a log line must be at most {MAX_LINE_BYTES} bytes, got {num_bytes}")
        with self._lock:
            writer, waiting = self._writer, self._waiting
            if self._is_closed or writer.boot != envelope.boot:
                self._begin(envelope)
            seq = envelope.seq
            # Usually no event waits. A call less for each event, and no list, is measurable.
            if not waiting and envelope.t_mono_ns < self._check_at_ns:
                try:
                    is_written = writer.append(seq, line)
                except OSError as error:
                    if raised_by_signal_handler(error):
                        raise
                    is_written = False
                if is_written:
                    self._next_seq = seq + 1
                    return
            # An event that an interrupt makes arrive twice is written once: the writer skips it the second time.
            waiting.append((seq, line))
            self._next_seq = seq + 1
            if envelope.t_mono_ns >= self._check_at_ns:
                self._check_at_ns = envelope.t_mono_ns + int(self.config.check_interval_s * 1e9)
                self._write_or_keep(self._check_and_write, envelope, num_bytes)
            else:
                self._write_or_keep(self._write_waiting, envelope, num_bytes)

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
            num_gone = self._writer.abandon()
            if self._waiting or num_gone:
                self._num_dropped += len(self._waiting) + num_gone
                warn(
                    f"the run log in {self._folder} is closed; {pluralize(self.num_lost, 'event')} lost"
                )

    def _begin(self, envelope: Envelope) -> None:
        """Open the log for the hub of the first event, if it was not attached to it."""
        seq = envelope.seq
        origin = EventOrigin(
            run_id=envelope.run,
            rank=envelope.rank,
            boot=envelope.boot,
            first_seq=seq,
            next_seq=seq,
        )
        if self.open(origin) != seq:
            raise LogError("a log that appends must be attached to its hub, but it was not")

    def _check_hub(self, boot: str) -> None:
        if self._is_closed:
            raise ValueError(
                "events must be written to an open log, but this one is closed; make a new log"
            )
        if self._writer.boot not in (None, boot):
            raise ValueError(
                f"a log must have one hub, got events of {self._writer.boot} and of"
                f" {boot}; make a log for each"
            )

    def _acquire(self, rank: int) -> RunLock:
        try:
            lock = RunLock.acquire(self.run_folder, Role.LOG, rank=rank)
        except OSError as error:
            raise LogError(
                f"the run's folder must be writable, got {self.run_folder} ({error.strerror}); choose another"
            ) from error
        if lock is None:
            holder = describe_holder(self.run_folder, rank=rank)
            raise LogError(
                f"a rank of a run must have one writer at a time, got {self.run_folder}, whose rank {rank}"
                f" {holder} writes; wait until it ends, choose another run id, or, for a process of the same run, call"
                " Hub.join(handle) with the handle of its hub"
            )
        return lock

    def _after_earlier_events(self, origin: EventOrigin) -> int:
        """Return the number of the hub's next event, after those in the folder.

        Raises:
            LogError: the folder holds events that the hub's would hide from readers.
        """
        try:
            last = find_last_event(self._folder, rank=origin.rank)
        except OSError as error:
            raise LogError(
                f"a run log must be readable before it is continued, got {self._folder} ({error.strerror})"
            ) from error
        if last is None or last.seq < origin.next_seq or origin.first_seq > 0:
            return origin.next_seq
        if not self._append:
            raise LogError(
                f"a new run must have a folder without events, got {self.run_folder}, which holds"
                f" {pluralize(last.seq + 1, 'event')}; choose another run id, resume the run (rewind, and first_seq of"
                " the hub), or add to it: RunLog(folder, append=True)"
            )
        if last.run != origin.run_id or origin.next_seq > origin.first_seq:
            raise LogError(
                f"a log that appends must be attached to a new hub of the run {printable(last.run)}, got one of"
                f" {printable(origin.run_id)} with {pluralize(origin.next_seq, 'event')}; attach it first"
            )
        return last.seq + 1

    def _write_or_keep(
        self, action: Callable[[], None], envelope: Envelope, num_bytes: int
    ) -> None:
        """Write the waiting events by `action`; if that fails, count the newest one, of `num_bytes`, among them."""
        if not self._try(action):
            if len(self._waiting) == 1:
                self._waiting_since_ns = envelope.t_mono_ns
            self._num_waiting_bytes += num_bytes
            self._limit_waiting()

    def _write_waiting(self) -> None:
        waiting = self._waiting
        append = self._writer.append
        while waiting:
            seq, line = waiting[0]
            if append(seq, line):
                waiting.popleft()

    def _check_and_write(self) -> None:
        """Make the file again if it is gone, and write the waiting events."""
        self._writer.restore_folder()
        if self._writer.is_gone():
            self._writer.restore()
        self._write_waiting()

    def _write_and_sync(self) -> None:
        self._check_and_write()
        self._writer.sync()
        if self._writer.is_gone():
            self._writer.restore()
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
            if raised_by_signal_handler(error):
                raise
            # The next event checks whether the file is still there.
            self._check_at_ns = 0
            if self._state is _State.WRITING:
                self._enter(_State.WAITING, f"cannot be written ({error}); events wait in memory")
            return False
        if self._state is not _State.WRITING:
            self._num_waiting_bytes = 0
            self._enter(
                _State.WRITING, f"is written again; {pluralize(self.num_lost, 'event')} lost"
            )
        return True

    def _limit_waiting(self) -> None:
        """Drop the newest event if too many bytes wait; never the oldest, which may be half written."""
        if self._num_waiting_bytes <= self.config.max_waiting_bytes or len(self._waiting) == 1:
            return
        self._num_waiting_bytes -= len(self._waiting.pop()[1])
        self._num_dropped += 1
        if self._state is _State.WAITING:
            self._enter(
                _State.LOSING, "has no memory left for waiting events; further events are lost"
            )

    def _enter(self, state: _State, message: str) -> None:
        self._state = state
        warn(f"the run log in {self._folder} {message}")


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
