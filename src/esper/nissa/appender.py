"""Appends bytes to the segments of a run log."""

from __future__ import annotations

import os
from pathlib import Path

from esper.nissa.segments import Segment, next_segment


class Appender:
    """Writes one segment after the other for one writer.

    Trouble with the disk is raised as OSError and leaves the appender usable: the next call tries again.

    Attributes:
        rank: rank of the writer; as `boot`, part of every segment's name.
        boot: id of the writer's process; None before `begin`.
        segment: the file under way; None before the first byte.
        num_bytes: bytes of it that have been written.
    """

    def __init__(self, folder: Path, *, segment_bytes: int) -> None:
        """Prepare to write behind what is in `folder`, a new file whenever one has reached `segment_bytes`."""
        self.rank = 0
        self.boot: str | None = None
        self.segment: Segment | None = None
        self.num_bytes = 0
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._descriptor = -1

    def begin(self, *, rank: int, boot: str) -> None:
        """Take on the writer's name."""
        self.rank = rank
        self.boot = boot

    def append(self, line: bytes) -> int:
        """Write a line, or what is left of one, with one call; return how many bytes the disk took."""
        if self._descriptor < 0:
            self._open_next()
        num_written = os.write(self._descriptor, line)
        self.num_bytes += num_written
        if self.num_bytes >= self._segment_bytes and num_written == len(line):
            self.close()
        return num_written

    def sync(self) -> None:
        """Wait until the file is on the disk itself, past its caches."""
        if self._descriptor >= 0:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Bring the file to the disk and let go of it; the next line opens another."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _open_next(self) -> None:
        assert self.boot is not None
        segment = next_segment(self._folder, rank=self.rank, boot=self.boot)
        # O_EXCL: a file that exists belongs to another writer, whoever that is.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._descriptor = os.open(segment.path, flags, 0o666)
        self.segment = segment
        self.num_bytes = 0
