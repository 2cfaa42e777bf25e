"""Reads a run log: validates every line against the contract, yields events in order, in constant memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn, final

import msgspec

from esper._generated.channel import Payload
from esper._generated.checks import ContractError
from esper._generated.codec import decode_line, encode_line
from esper._generated.envelope import Envelope
from esper._generated.registry import VERSION
from esper.leyline.errors import LogError
from esper.leyline.text import printable
from esper.nissa.segments import NAME_RULE, Line, Segment, find_end_seqs, find_segments, read_lines

LoggedEvent = tuple[Envelope, Payload]
"""An event, as a line of a log holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TornLine:
    """The last line of a file, which its writer did not finish."""

    path: Path
    line: int
    """Line number, from 1."""
    num_bytes: int
    """Bytes of the line that were written."""


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
    """The events of a run: iterate over it for pairs of envelope and payload, rank by rank, each in order.

    Every iteration reads the files again. The attributes below are complete after an iteration.

    Attributes:
        folder: the run's folder.
        torn: unfinished last lines, which are skipped.
        gaps: places where event numbers do not follow each other; duplicates are skipped.
        num_superseded: events skipped because the run was resumed from a checkpoint before them.
    """

    def __init__(self, folder: Path) -> None:
        """Find the files of the run in `folder`.

        Raises:
            RunNotFoundError: `folder` does not hold a run log.
            LogError: the log's folder cannot be read, or holds a `*.jsonl` file that Esper did not write.
        """
        self.folder = folder
        self.torn: list[TornLine] = []
        self.gaps: list[Gap] = []
        self.num_superseded = 0
        self._run_id: str | None = None
        self._segments, others = find_segments(folder)
        if others:
            raise LogError(f"{others[0]}: {NAME_RULE}")

    def __iter__(self) -> Iterator[LoggedEvent]:
        """Yield envelope and payload of each event.

        Raises:
            LogError: a file cannot be read, or a complete line breaks the contract or belongs to another run.
        """
        self.torn, self.gaps, self.num_superseded = [], [], 0
        self._run_id = None
        for _, segments in groupby(self._segments, key=lambda segment: segment.rank):
            yield from self._read_rank(list(segments))

    def _read_rank(self, segments: Sequence[Segment]) -> Iterator[LoggedEvent]:
        end_seqs = find_end_seqs(segments, lambda line: _decode(line)[0].seq)
        expected_seq = 0
        for segment, end_seq in zip(segments, end_seqs, strict=True):
            for line, (envelope, payload) in self._read_segment(segment):
                if envelope.seq >= end_seq:
                    self.num_superseded += 1
                    continue
                if envelope.seq != expected_seq:
                    self._add_gap(line, expected_seq, envelope.seq)
                if envelope.seq >= expected_seq:
                    expected_seq = envelope.seq + 1
                    yield envelope, payload

    def _read_segment(self, segment: Segment) -> Iterator[tuple[Line, LoggedEvent]]:
        for line in read_lines(segment.path):
            if line.is_torn:
                torn = TornLine(path=line.path, line=line.number, num_bytes=len(line.data))
                self.torn.append(torn)
                return
            envelope, payload = _decode(line)
            self._run_id = self._run_id or envelope.run
            expected = (self._run_id, segment.rank, segment.boot)
            got = (envelope.run, envelope.rank, envelope.boot)
            if got != expected:
                raise LogError(
                    f"{line.place}: run, rank and boot must be {expected}, got {got};"
                    " the line belongs to another log: remove it from this one"
                )
            yield line, (envelope, payload)

    def _add_gap(self, line: Line, expected_seq: int, got_seq: int) -> None:
        self.gaps.append(
            Gap(path=line.path, line=line.number, expected_seq=expected_seq, got_seq=got_seq)
        )


def read_run(folder: str | Path) -> RunEvents:
    """Return the events of the run in `folder`, to be iterated over.

        for envelope, payload in read_run("runs/my-run"):
            print(envelope.epoch, payload)

    A run that is still being written can be read too; it ends at the last complete line. Events that an older version
    of the contract wrote are converted to the present one. Iterating raises `LogError` on a line that breaks the
    contract; `esper lint-log` lists all such lines.

    Raises:
        RunNotFoundError: `folder` does not hold a run log.
        LogError: the log's folder cannot be read, or holds a `*.jsonl` file that Esper did not write.
    """
    return RunEvents(Path(folder))


class _Header(msgspec.Struct):
    """The one key that is read from a line that breaks the contract."""

    v: str


def _decode(line: Line) -> LoggedEvent:
    """Return the event on a line.

    Raises:
        LogError: the line breaks the contract, or was written under a newer one.
    """
    try:
        envelope, payload = decode_line(line.data)
    except ContractError as error:
        _refuse(line, str(error))
    if envelope.v != VERSION and _is_newer(envelope.v):
        _refuse(line, f"v must be {VERSION} or older, got {envelope.v}")
    # The decoder takes the last of two equal keys. The encoder never writes a key twice, so only a line that differs
    # from its encoding is searched for them.
    if encode_line(envelope, payload) != line.data:
        _refuse_repeated_keys(line)
    return envelope, payload


def _refuse(line: Line, problem: str) -> NoReturn:
    version = _version(line)
    remedy = "remove the line to read the others"
    if version is not None and _is_newer(version):
        remedy = (
            f"it was written under contract {version} and this Esper knows {VERSION}: update Esper"
        )
    raise LogError(f"{line.place}: {printable(problem)}; {remedy}") from None


def _version(line: Line) -> str | None:
    """Return the contract version that a line names; None if it names no version."""
    try:
        return msgspec.json.decode(line.data, type=_Header).v
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _is_newer(version: str) -> bool:
    numbers = version.split(".")
    are_numbers = all(number.isdecimal() and len(number) < 10 for number in numbers)
    return are_numbers and [*map(int, numbers)] > [*map(int, VERSION.split("."))]


def _refuse_repeated_keys(line: Line) -> None:
    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if repeated := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
            _refuse(
                line, f"a key must be there once, got {repeated[0]} {keys.count(repeated[0])} times"
            )
        return dict(pairs)

    json.loads(line.data, object_pairs_hook=check)
