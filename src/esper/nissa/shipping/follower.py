"""Follows a run log while it is written: reads the events of all ranks and writers after a position, batch by batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from esper._generated.checks import ContractError
from esper._generated.codec import inspect_line
from esper._generated.unknown import UnknownName, UnknownPayload
from esper.leyline.errors import LogError, RunNotFoundError
from esper.nissa.event_numbers import EventNumbers
from esper.nissa.reader import (
    Gap,
    LoggedEvent,
    RunEvents,
    TornLine,
    describe_damage,
    is_later_major,
    read_version,
    refuse_owner,
)
from esper.nissa.segments import LOG_FOLDER, MAX_LINE_BYTES, Segment, find_segments
from esper.nissa.writers import Writer, find_writers


@dataclass(slots=True, kw_only=True)
class LogPosition:
    """How far a log has been read: a position in each of its files, and the event numbers of each writer."""

    offsets: dict[str, int] = field(default_factory=dict)
    """Bytes that were read, by the name of the file."""
    numbers: dict[str, EventNumbers] = field(default_factory=dict)
    """Event numbers that were read, by `RANK-BOOT`."""
    accepted_ends: dict[str, int] = field(default_factory=dict)
    """Event numbers from which events of a writer were replaced, which is known already, by `RANK-BOOT`."""
    num_events: int = 0
    num_bytes: int = 0
    num_damaged: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the position as a JSON object."""
        return {
            "offsets": self.offsets,
            "numbers": {
                key: {"intervals": one.intervals, "current": one.current_interval}
                for key, one in self.numbers.items()
            },
            "accepted_ends": self.accepted_ends,
            "num_events": self.num_events,
            "num_bytes": self.num_bytes,
            "num_damaged": self.num_damaged,
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> LogPosition:
        """Return the position that `to_json` has written."""
        numbers = {
            key: EventNumbers.from_intervals(one["intervals"], one["current"])
            for key, one in plain["numbers"].items()
        }
        return cls(**{**plain, "numbers": numbers})


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of the log, and the writer that it belongs to."""

    segment: Segment
    writer: Writer

    @property
    def key(self) -> str:
        return f"{self.writer.rank}-{self.writer.boot}"


@final
class LogFollower:
    """Reads a log from a position on; further calls of `read` return what was written since.

    Lines that break the contract are skipped and counted, events that this version does not know are skipped, and no
    event is returned twice. A line that its writer has not finished is left for the next call.

    Attributes:
        position: what has been read so far.
        is_superseded: whether a resumed run has replaced events that were read, or removed them from the log.
    """

    def __init__(
        self,
        run_folder: Path,
        position: LogPosition | None = None,
        *,
        on_unknown: Callable[[tuple[UnknownName, ...]], None] | None = None,
        flaws: RunEvents | None = None,
    ) -> None:
        """Read the log of the run in `run_folder` after `position`; from its start when None.

        Args:
            run_folder: the run's folder.
            position: how far the log has been read.
            on_unknown: called with the names in a line that only a later minor version of the contract knows.
            flaws: the log as it was read up to `position`, to which damaged lines, gaps and unknown names are added as if
                it had read the rest, too. Then lines that only lack fields are read as it reads them.
        """
        self._on_unknown = on_unknown
        self._flaws = flaws
        self.position = position or LogPosition()
        self.is_superseded = False
        self._run_folder = run_folder
        self._run_id: str | None = None
        self._names: list[str] = []
        self._sources: list[_Source] = []
        self._pending: deque[tuple[_Source, int]] = deque()
        self._later_majors = 0
        self._num_bytes_known = 0

    @property
    def writers(self) -> list[Writer]:
        """The processes that have written the log, as of the newest look at its files, in the order of `find_writers`."""
        writers = {source.key: source.writer for source in self._sources}
        return list(writers.values())

    def find_torn(self) -> list[TornLine]:
        """Return the lines at the ends of files that their writers have not finished; only with `flaws`."""
        assert self._flaws is not None
        torn = []
        for source in self._sources:
            name, path = source.segment.name, source.segment.path
            num_bytes = _size(path) - self.position.offsets.get(name, 0)
            if num_bytes > 0:
                line = self._flaws.num_lines.get(name, 0) + 1
                torn.append(TornLine(path=path, line=line, num_bytes=num_bytes))
        return torn

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the log that have not been read, as of the newest look at its files."""
        return max(0, self._num_bytes_known - self.position.num_bytes)

    def read(self, max_events: int) -> list[LoggedEvent]:
        """Return at most `max_events` new events, those of one writer in order; an empty list if there are none.

        While `is_superseded`, nothing is read.

        Raises:
            LogError: a file cannot be read, or was written under a later major version of the contract.
        """
        events: list[LoggedEvent] = []
        if not self._pending:
            self._look()
        while self._pending and len(events) < max_events and not self.is_superseded:
            source, end = self._pending[0]
            if self._read_file(source, end, events, max_events):
                self._pending.popleft()
        return events

    def accept(self) -> None:
        """Go on with the log as it is now, although events that were read are no longer part of it."""
        position = self.position
        names = {source.segment.name for source in self._sources}
        position.offsets = {
            name: min(offset, _size(self._run_folder / LOG_FOLDER / name))
            for name, offset in position.offsets.items()
            if name in names
        }
        position.accepted_ends = {
            source.key: int(source.writer.end_seq)
            for source in self._sources
            if source.writer.end_seq != float("inf")
        }
        self.is_superseded = False

    def _look(self) -> None:
        """Find the files that have grown."""
        try:
            segments, _ = find_segments(self._run_folder)
        except RunNotFoundError:
            # The folder was removed, and its writer makes it again.
            return
        names = [segment.name for segment in segments]
        if names != self._names or any(not one.writer.start_ns for one in self._sources):
            writers, self._run_id = find_writers(segments)
            self._names = names
            self._sources = [
                _Source(segment, writer) for writer in writers for segment in writer.segments
            ]
        sizes = [(source, _size(source.segment.path)) for source in self._sources]
        offsets = self.position.offsets
        # Negative where the log was cut; then it is read again from its start.
        waiting = sum(size - offsets.get(source.segment.name, 0) for source, size in sizes)
        self._num_bytes_known = self.position.num_bytes + max(0, waiting)
        self.is_superseded = self._find_superseded(sizes)
        self._pending.extend(
            (source, size) for source, size in sizes if size > offsets.get(source.segment.name, 0)
        )

    def _find_superseded(self, sizes: list[tuple[_Source, int]]) -> bool:
        by_name = {source.segment.name: size for source, size in sizes}
        if any(offset > by_name.get(name, 0) for name, offset in self.position.offsets.items()):
            return True
        for source, _ in sizes:
            end, numbers = source.writer.end_seq, self.position.numbers.get(source.key)
            if numbers is None or end == self.position.accepted_ends.get(source.key):
                continue
            if numbers.intervals[-1][1] > end:
                return True
        return False

    def _read_file(
        self, source: _Source, end: int, events: list[LoggedEvent], max_events: int
    ) -> bool:
        """Append the events of a file up to byte `end`; return False if there are more than `max_events`."""
        position, name = self.position, source.segment.name
        numbers = position.numbers.get(source.key)
        if numbers is None:
            numbers = position.numbers[source.key] = self._first_numbers(source)
        offset = position.offsets.get(name, 0)
        try:
            with source.segment.path.open("rb") as file:
                file.seek(offset)
                while offset < end and len(events) < max_events:
                    head = data = file.readline(MAX_LINE_BYTES + 1)
                    num_bytes = len(data)
                    # No writer writes a longer line; its head is taken as a damaged one.
                    while num_bytes > MAX_LINE_BYTES and data and data[-1:] != b"\n":
                        data = file.readline(MAX_LINE_BYTES)
                        num_bytes += len(data)
                    if data[-1:] != b"\n":
                        return True
                    self._take(source, head, numbers, events)
                    offset += num_bytes
                    position.num_bytes += num_bytes
                    position.offsets[name] = offset
        except FileNotFoundError:
            return True
        except OSError as error:
            raise LogError(
                f"{source.segment.path}: a log file must be readable, got {error.strerror};"
                " copy the run to a working disk"
            ) from error
        return offset >= end

    def _take(
        self, source: _Source, data: bytes, numbers: EventNumbers, events: list[LoggedEvent]
    ) -> None:
        """Append the event of a line, unless it cannot be read, was replaced, or is there already."""
        flaws = self._flaws
        if flaws is not None:
            lines, name = flaws.num_lines, source.segment.name
            lines[name] = lines.get(name, 0) + 1
        try:
            try:
                envelope, payload, unknown = inspect_line(data)
            except ContractError as error:
                if flaws is None:
                    raise
                envelope, payload, unknown = flaws.read_incomplete(data, error)
            owner = (self._run_id, source.writer.rank, source.writer.boot)
            if (envelope.run, envelope.rank, envelope.boot) != owner:
                refuse_owner(owner, envelope)
        except ContractError as error:
            self.position.num_damaged += 1
            self._later_majors += is_later_major(read_version(data))
            # One byte of a version may be damaged.
            if self._later_majors > 1:
                raise LogError(
                    f"{source.segment.path}: the log was written under a later version of the contract"
                    f" ({error}); update Esper"
                ) from None
            if flaws is not None:
                numbers.num_unreadable += 1
                path, line = source.segment.path, flaws.num_lines[source.segment.name]
                flaws.add_damaged(describe_damage(path, line, data, error))
            return
        self._later_majors = 0
        if envelope.seq >= source.writer.end_seq:
            if flaws is not None:
                flaws.num_superseded += 1
            return
        expected = numbers.expected
        is_next = envelope.seq == expected or numbers.is_next(envelope.seq)
        if flaws is not None and not is_next:
            path, line = source.segment.path, flaws.num_lines[source.segment.name]
            flaws.add_gap(Gap(path=path, line=line, expected_seq=expected, got_seq=envelope.seq))
        if not numbers.add(envelope.seq):
            return
        if unknown and self._on_unknown is not None:
            self._on_unknown(unknown)
        if unknown and flaws is not None:
            flaws.add_unknown(unknown, payload)
        if type(payload) is not UnknownPayload:
            self.position.num_events += 1
            events.append((envelope, payload))

    def _first_numbers(self, source: _Source) -> EventNumbers:
        """Return the event numbers of a writer of which nothing has been read; those that it continues are there already."""
        if self._flaws is None or not source.writer.continues:
            return EventNumbers()
        keys = [one.key for one in self._sources if one.writer.rank == source.writer.rank]
        before = keys[: keys.index(source.key)]
        earlier = self.position.numbers.get(before[-1]) if before else None
        if earlier is None:
            return EventNumbers()
        return EventNumbers.from_intervals(earlier.intervals, earlier.current_interval)


def _size(path: Path) -> int:
    """Return the size of a file in bytes; 0 if it is not there, or is not a regular file."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
