"""Writes the files of a run log, one after another, and makes a file again that was removed while it is written.

What has been written is known from the file itself: an exception of a signal handler may come between `write(2)` and the
statement after it, and a full disk may take a part of a line.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import final

from esper.leyline.text import pluralize
from esper.nissa.log_tail import read_last_event
from esper.nissa.run_lock import RunLock
from esper.nissa.segments import LOG_FOLDER, Segment, next_segment
from esper.nissa.stderr import warn


@final
class SegmentWriter:
    """Writes the segments of one process.

    Errors of the disk are raised as OSError; the next call tries again.

    Attributes:
        boot: id of the process, part of every segment's name; None before `begin`.
        segment: the file that is being written; None before the first byte.
        num_missing: events of closed files that were removed before `close`.
    """

    def __init__(self, run_folder: Path, *, segment_bytes: int) -> None:
        """Write to new files in the log of `run_folder`; start the next file when one has reached `segment_bytes`."""
        self.boot: str | None = None
        self.segment: Segment | None = None
        self.num_missing = 0
        self._rank = 0
        self._lock: RunLock | None = None
        self._run_folder = run_folder
        self._folder = run_folder / LOG_FOLDER
        self._segment_bytes = segment_bytes
        self._descriptor = -1
        # One value, so that an interrupt cannot come between the two: bytes of whole lines in the file, and the number of
        # the last event.
        self._written = (0, -1)
        self._has_partial_line = False
        self._seq_before = -1
        self._closed_files: dict[Path, int] = {}
        self._num_closed_bytes = 0

    @property
    def num_bytes_in_all(self) -> int:
        """Bytes of the whole lines in all files."""
        return self._num_closed_bytes + self._written[0]

    @property
    def num_bytes(self) -> int:
        """Bytes of the whole lines in the file that is being written."""
        return self._written[0]

    def begin(self, *, rank: int, boot: str, next_seq: int, lock: RunLock) -> None:
        """Set rank and boot id of the writing process, which name its segments, its first event, and its lock."""
        self._rank = rank
        self._lock = lock
        self._written = (0, next_seq - 1)
        self.boot = boot

    def append(self, seq: int, line: bytes) -> bool:
        """Write the line of event `seq`, or the rest of it, with one system call; return whether the line is complete.

        Events that have been written already are skipped, so the call may be repeated after an interrupt.
        """
        if seq <= self._written[1]:
            return True
        if self._descriptor < 0:
            self._open_next()
        descriptor, num_bytes = self._descriptor, self._written[0]
        end = num_bytes + len(line)
        if self._has_partial_line:
            line = line[os.fstat(descriptor).st_size - num_bytes :]
        self._has_partial_line = True
        if os.write(descriptor, line) < len(line):
            return False
        self._written = (end, seq)
        self._has_partial_line = False
        if end >= self._segment_bytes:
            self.close()
        return True

    def sync(self) -> None:
        """Flush the file to the disk."""
        if self._descriptor >= 0:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Flush the file to the disk and close it; the next line opens another."""
        if self._descriptor < 0:
            return
        if self.is_gone():
            self.restore()
        assert self.segment is not None
        self._closed_files[self.segment.path] = self._written[1] - self._seq_before
        descriptor, self._descriptor = self._descriptor, -1
        self._has_partial_line = False
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def abandon(self) -> int:
        """Close the file as it is and unlock the run; return how many events it holds if it is gone, else 0."""
        num_gone = self._written[1] - self._seq_before if self.is_gone() else 0
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        if self._lock is not None:
            self._lock.release()
        return num_gone

    def is_gone(self) -> bool:
        """Return whether the file that is being written is no longer at its path: removed, renamed or replaced."""
        if self._descriptor < 0 or self.segment is None:
            return False
        at_path = _stat(self.segment.path)
        return at_path is None or not os.path.samestat(at_path, os.fstat(self._descriptor))

    def restore(self) -> None:
        """Make the file that is gone again, from the copy that the system keeps while the file is open.

        If there is another file in its place, the events after those of that file go to a new segment.

        Raises:
            OSError: the file cannot be made, or another process writes the run by now. Nothing has changed.
        """
        assert self.segment is not None
        self._make_folder()
        segment, last_seq = self.segment, -1
        if _stat(segment.path) is not None:
            last = read_last_event(segment.path)
            last_seq = -1 if last is None else last.seq
            segment = next_segment(self._folder, rank=self._rank, boot=segment.boot)
        descriptor = _create(segment.path)
        try:
            num_bytes = self._copy_lines(descriptor, after_seq=last_seq)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                segment.path.unlink()
            raise
        old, self._descriptor = self._descriptor, descriptor
        self.segment = segment
        self._written = (num_bytes, self._written[1])
        self._has_partial_line = False
        os.close(old)
        self._report_restored()

    def restore_folder(self) -> None:
        """Make the log's folder again if it was removed between two files.

        Raises:
            OSError: it cannot be made, or another process writes the run by now.
        """
        if self._descriptor < 0 and _stat(self._folder) is None:
            self._make_folder()
            self._report_restored()

    def _copy_lines(self, descriptor: int, *, after_seq: int) -> int:
        """Copy the whole lines of the open file, from the first event after `after_seq`; return how many bytes."""
        num_bytes = self._written[0]
        with (
            os.fdopen(os.dup(self._descriptor), "rb") as source,
            os.fdopen(descriptor, "ab", closefd=False) as target,
        ):
            source.seek(0)
            while source.tell() < num_bytes:
                line = source.readline()
                if _seq_of(line) > after_seq:
                    target.write(line)
            target.flush()
            return target.tell()

    def _open_next(self) -> None:
        assert self.boot is not None
        self.restore_folder()
        segment = next_segment(self._folder, rank=self._rank, boot=self.boot)
        descriptor = _create(segment.path)
        self.segment = segment
        self._seq_before = self._written[1]
        self._num_closed_bytes += self._written[0]
        self._written = (0, self._written[1])
        self._descriptor = descriptor

    def _make_folder(self) -> None:
        """Make the log's folder if it is gone, and lock the run if its folder was gone too.

        Raises:
            OSError: the folder cannot be made, or another process writes the run by now.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._lock is not None and not self._lock.renew():
            raise BlockingIOError(f"another process writes the run in {self._run_folder} now")

    def _report_restored(self) -> None:
        for path, num_events in list(self._closed_files.items()):
            if _stat(path) is None:
                self.num_missing += num_events
                del self._closed_files[path]
        warn(
            f"the run log in {self._folder} was removed, renamed or replaced; it has been made again at that path;"
            f" {pluralize(self.num_missing, 'event')} lost"
        )


def _stat(path: Path) -> os.stat_result | None:
    """Return the status of a file or folder; None if it does not exist."""
    # Not `Path.exists`, which takes a ValueError that a signal handler raises for the answer False.
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _create(path: Path) -> int:
    """Create a file and return its descriptor, which can be read too, for the case that the file is removed."""
    # O_EXCL: a file that exists already belongs to another writer.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)


def _seq_of(line: bytes) -> int:
    """Return the number of the event on a line that this process has written."""
    return int(line[len(b'{"seq":') : line.index(b",")])
