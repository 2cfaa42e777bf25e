"""Reads a run log: validates every line against the contract, yields events in order, in constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import final

import msgspec

from esper._generated.channel import Payload
from esper._generated.checks import ContractError
from esper._generated.codec import inspect_line
from esper._generated.envelope import Envelope
from esper._generated.registry import VERSION
from esper._generated.unknown import UnknownName, UnknownPayload
from esper.leyline.errors import LogError
from esper.leyline.text import printable
from esper.nissa import segments
from esper.nissa.event_numbers import EventNumbers
from esper.nissa.incomplete import read_incomplete
from esper.nissa.segments import (
    NAME_RULE,
    Segment,
    find_segments,
    is_torn,
    open_segment,
    skip_line,
)
from esper.nissa.writers import Overlap, Writer, find_overlaps, find_writers

LoggedEvent = tuple[Envelope, Payload]
"""An event, as a line of a log holds it."""

MAX_LISTED = 1000
"""Damaged lines, gaps and unknown names that are kept; more of them are only counted, so that memory is bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TornLine:
    """The last line of a file, which its writer did not finish."""

    path: Path
    line: int
    """Line number, from 1."""
    num_bytes: int
    """Bytes of the line that were written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedLine:
    """A complete line that breaks the contract, or that belongs to another log."""

    path: Path
    line: int
    """Line number, from 1."""
    problem: str
    """The rule that the line breaks, and the value that breaks it."""
    version: str | None
    """Version of the contract that the line names; None if it cannot be read."""

    @property
    def message(self) -> str:
        """Place, rule, value and remedy, in one line."""
        remedy = "remove the line, or write a copy without it: esper lint-log RUN --salvage FOLDER"
        if self.version is not None and is_newer(self.version):
            remedy = (
                f"it was written under contract {self.version} and this Esper knows {VERSION}:"
                " update Esper"
            )
        return f"{self.path}:{self.line}: {printable(self.problem)}; {remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A line whose event number is not the expected one: events before it are missing, or it is a duplicate."""

    path: Path
    line: int
    """Line number, from 1."""
    expected_seq: int
    got_seq: int


@final
class RunEvents:
    """The events of a run: iterate over it for pairs of envelope and payload, writer by writer, each in order.

    Every iteration reads the files again. The attributes below are complete after an iteration.

    Attributes:
        folder: the run's folder.
        is_strict: whether a damaged line raises instead of being skipped.
        is_lenient: whether a line that only lacks fields is read, with None for them, instead of counting as damaged.
        writers: the processes that wrote the log, in the order in which they are read.
        torn: unfinished last lines, which are skipped.
        damaged: lines that were skipped because they break the contract; the first `MAX_LISTED`.
        num_damaged: how many there are.
        gaps: places where event numbers do not follow each other; duplicates are skipped. The first `MAX_LISTED`.
        num_gaps: how many there are.
        unknown: names that a later minor version of the contract has added, and how often they occur.
        num_set_aside: events of which this version cannot build a payload, because of an unknown event or enum member, or
            a value outside the bounds that it knows; they are not among the events.
        num_superseded: events skipped because the run was resumed from a checkpoint before them.
        overlaps: writers of one rank that wrote at the same time; the events of all of them are read.
        missing: fields that lines lack, as `EVENT.field`, and how many lines lack them; only if `is_lenient`.
        other_files: files in the log's folder that Esper did not write.
        num_lines: whole lines of each file, by its name.
        offsets: bytes of each file up to the end of its last whole line, by its name.
        numbers: event numbers of each writer, by `RANK-BOOT`.
    """

    def __init__(self, folder: Path, *, strict: bool = False, lenient: bool = False) -> None:
        """Find the files of the run in `folder`; with `strict`, raise at the first damaged line.

        With `lenient`, lines that only lack fields are read, and the fields are None whatever their type; for views, which
        show them as missing.

        Raises:
            RunNotFoundError: `folder` does not hold a run log.
            LogError: the log's folder cannot be read, or Esper did not write a single file in it. With `strict`: it
                holds a `*.jsonl` file that Esper did not write.
        """
        self.folder = folder
        self.is_strict = strict
        self.is_lenient = lenient and not strict
        self._segments, self.other_files = find_segments(folder)
        if self.other_files and (strict or not self._segments):
            raise LogError(f"{self.other_files[0]}: {NAME_RULE}")
        self._reset()

    def _reset(self) -> None:
        self.writers: list[Writer] = []
        self.torn: list[TornLine] = []
        self.damaged: list[DamagedLine] = []
        self.num_damaged = 0
        self.gaps: list[Gap] = []
        self.num_gaps = 0
        self.unknown: Counter[UnknownName] = Counter()
        self.num_set_aside = 0
        self.num_superseded = 0
        self.overlaps: list[Overlap] = []
        self.missing: Counter[str] = Counter()
        self.num_lines: dict[str, int] = {}
        self.offsets: dict[str, int] = {}
        self.numbers: dict[str, EventNumbers] = {}

    def __iter__(self) -> Iterator[LoggedEvent]:
        """Yield envelope and payload of each event.

        Raises:
            LogError: a file cannot be read, or was written under a later major version of the contract. With
                `strict`: a complete line breaks the contract or belongs to another run.
        """
        self._reset()
        self.writers, run_id = find_writers(self._segments)
        numbers = EventNumbers()
        end_times = []
        for writer in self.writers:
            if not writer.continues:
                numbers = EventNumbers()
            end_ns = writer.start_ns
            for segment in writer.segments:
                # Not a loop: a million events would pass through it.
                last = yield from self._read(segment, run_id, writer.end_seq, numbers)
                end_ns = end_ns if last is None else last.t_wall_ns
            self.numbers[f"{writer.rank}-{writer.boot}"] = EventNumbers.from_intervals(
                numbers.intervals, numbers.current_interval
            )
            end_times.append((writer, end_ns))
        self.overlaps = find_overlaps(end_times)

    def _read(
        self, segment: Segment, run_id: str | None, end_seq: float, numbers: EventNumbers
    ) -> Generator[LoggedEvent, None, Envelope | None]:
        """Yield the events of one file and add its flaws to the attributes; return the envelope of the last one."""
        path, rank, boot = segment.path, segment.rank, segment.boot
        later_major: DamagedLine | None = None
        has_events = False
        last: Envelope | None = None
        number = num_torn_bytes = 0
        with open_segment(path) as file:
            # Not `read_lines`: a generator between the file and this one costs as much as all checks here.
            readline = partial(file.readline, segments.MAX_LINE_BYTES + 1)
            for number, data in enumerate(iter(readline, b""), 1):
                if data[-1:] != b"\n":
                    if is_torn(data):
                        num_torn_bytes = len(data)
                        self.torn.append(TornLine(path=path, line=number, num_bytes=len(data)))
                        break
                    skip_line(file, data)
                try:
                    try:
                        envelope, payload, unknown = inspect_line(data)
                    except ContractError as error:
                        envelope, payload, unknown = self.read_incomplete(data, error)
                    if envelope.boot != boot or envelope.run != run_id or envelope.rank != rank:
                        refuse_owner((run_id, rank, boot), envelope)
                except ContractError as error:
                    damaged = describe_damage(path, number, data, error)
                    numbers.num_unreadable += 1
                    later_major = self._skip(damaged, later_major, has_events=has_events)
                    continue
                if later_major is not None:
                    self.add_damaged(later_major)
                    later_major = None
                has_events = True
                seq = envelope.seq
                if seq >= end_seq:
                    self.num_superseded += 1
                    continue
                if seq == numbers.expected and seq < numbers.limit:
                    # As `_is_new`, whose call would cost as much as all else here.
                    numbers.expected = seq + 1
                    numbers.num_unreadable = 0
                elif not self._is_new(seq, numbers, path, number):
                    continue
                if unknown:
                    self.add_unknown(unknown, payload)
                if type(payload) is not UnknownPayload:
                    last = envelope
                    yield envelope, payload
            self.offsets[segment.name] = file.tell() - num_torn_bytes
        if later_major is not None:
            raise LogError(later_major.message)
        self.num_lines[segment.name] = number - bool(num_torn_bytes)
        return last

    def _is_new(self, seq: int, numbers: EventNumbers, path: Path, number: int) -> bool:
        """Return whether an event number has not been read yet, and note a gap before it."""
        if seq != numbers.expected and not numbers.is_next(seq):
            self.add_gap(Gap(path=path, line=number, expected_seq=numbers.expected, got_seq=seq))
        return numbers.add(seq)

    def _skip(
        self, damaged: DamagedLine, later_major: DamagedLine | None, *, has_events: bool
    ) -> DamagedLine | None:
        """Note a damaged line; return it instead if it may be the first of a file of a later major version.

        Raises:
            LogError: it is of a later major version, as the line before it. With `strict`: always.
        """
        if not is_later_major(damaged.version) or has_events:
            self.add_damaged(damaged)
            return later_major
        if later_major is None and not self.is_strict:
            # One byte of a version may be damaged; all lines of a file are of the same version.
            return damaged
        raise LogError((later_major or damaged).message) from None

    def read_incomplete(
        self, data: bytes, error: ContractError
    ) -> tuple[Envelope, Payload, tuple[UnknownName, ...]]:
        """Return the event of a line that lacks fields, if such lines are read; otherwise raise `error` again.

        Raises:
            ContractError: the line breaks the contract in another way, or such lines are not read.
        """
        incomplete = read_incomplete(data) if self.is_lenient else None
        if incomplete is None:
            raise error
        self.missing.update(incomplete.missing)
        return incomplete.envelope, incomplete.payload, incomplete.unknown

    def add_damaged(self, damaged: DamagedLine) -> None:
        """Note a line that breaks the contract."""
        if self.is_strict:
            raise LogError(damaged.message)
        self.num_damaged += 1
        if self.num_damaged <= MAX_LISTED:
            self.damaged.append(damaged)

    def add_gap(self, gap: Gap) -> None:
        """Note that events are missing, or are there twice."""
        self.num_gaps += 1
        if self.num_gaps <= MAX_LISTED:
            self.gaps.append(gap)

    def add_unknown(self, unknown: tuple[UnknownName, ...], payload: Payload) -> None:
        """Note the names in an event that this version does not know."""
        add_names(self.unknown, unknown)
        self.num_set_aside += type(payload) is UnknownPayload


def read_run(folder: str | Path, *, strict: bool = False) -> RunEvents:
    """Return the events of the run in `folder`, to be iterated over.

        for envelope, payload in read_run("runs/my-run"):
            print(envelope.epoch, payload)

    A run that is still being written can be read too; it ends at the last complete line. Events that an older version
    of the contract wrote are converted to the present one; names that a later minor version has added are left out and
    listed in `RunEvents.unknown`. A line that breaks the contract is skipped and listed in `RunEvents.damaged`; with
    `strict`, iterating raises `LogError` instead. `esper lint-log` lists all such lines.

    Raises:
        RunNotFoundError: `folder` does not hold a run log.
        LogError: the log's folder cannot be read, or Esper did not write a single file in it. With `strict`: it holds
            a `*.jsonl` file that Esper did not write.
    """
    return RunEvents(Path(folder), strict=strict)


def add_names(counts: Counter[UnknownName], names: tuple[UnknownName, ...]) -> None:
    """Count unknown names; once `MAX_LISTED` are known, further ones are left out."""
    for name in names:
        if name in counts or len(counts) < MAX_LISTED:
            counts[name] += 1


class _Header(msgspec.Struct):
    """The one key that is read from a line that breaks the contract."""

    v: str


def refuse_owner(expected: tuple[str | None, int, str], envelope: Envelope) -> None:
    """Raise the error for a line that belongs to another log than the file that holds it.

    Raises:
        ContractError: always.
    """
    got = (envelope.run, envelope.rank, envelope.boot)
    raise ContractError(
        None, f"run, rank and boot must be {expected}", f"{got}: the line belongs to another log"
    )


def describe_damage(path: Path, number: int, data: bytes, error: ContractError) -> DamagedLine:
    """Return the description of a line that breaks the contract."""
    if len(data) > segments.MAX_LINE_BYTES:
        problem = f"a line must be at most {segments.MAX_LINE_BYTES} bytes, got more"
        return DamagedLine(path=path, line=number, problem=problem, version=None)
    return DamagedLine(path=path, line=number, problem=str(error), version=read_version(data))


def read_version(data: bytes) -> str | None:
    """Return the contract version that a line names; None if it names no version."""
    try:
        return msgspec.json.decode(data, type=_Header).v
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def is_newer(version: str) -> bool:
    """Return whether a version of the contract is later than the one that this Esper knows."""
    return _numbers(version) > _numbers(VERSION)


@lru_cache(maxsize=64)
def is_later_major(version: str | None) -> bool:
    """Return whether a version of the contract has a later major number, so that its lines cannot be read."""
    return version is not None and _numbers(version)[:1] > _numbers(VERSION)[:1]


def _numbers(version: str) -> list[int]:
    """Return the numbers of a version; an empty list if it is not one."""
    numbers = version.split(".")
    are_numbers = all(number.isdecimal() and len(number) < 10 for number in numbers)
    return [*map(int, numbers)] if are_numbers else []
