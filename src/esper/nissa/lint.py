"""Validates a whole run log against the contract and reports every flaw, instead of stopping at the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from esper._generated.checks import ContractError
from esper._generated.codec import inspect_line
from esper._generated.registry import DEPRECATED
from esper._generated.unknown import UnknownName
from esper.nissa import segments
from esper.nissa.event_numbers import EventNumbers
from esper.nissa.line_lint import Header, Violation, lint_line
from esper.nissa.reader import add_names
from esper.nissa.segments import NAME_RULE, Segment, find_segments, is_torn, read_lines
from esper.nissa.writers import Writer, find_overlaps, find_writers


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A violation and the place where it was found."""

    path: Path
    line: int
    """Line number, from 1; 0 for the file as a whole."""
    violation: Violation

    @property
    def place(self) -> str:
        """Path and line number, as compilers print them."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)


@final
class LogLint:
    """Finds the flaws of a run log: iterate over it. Every iteration reads the files again.

    Attributes:
        folder: the run's folder.
        num_lines: lines that were checked; complete after an iteration.
        unknown: names that a later minor version of the contract has added, which are not flaws, and how often they
            occur; complete after an iteration.
    """

    def __init__(self, folder: Path) -> None:
        """Find the files of the run in `folder`.

        Raises:
            RunNotFoundError: `folder` does not hold a run log.
            LogError: the log's folder cannot be read.
        """
        self.folder = folder
        self.num_lines = 0
        self.unknown: Counter[UnknownName] = Counter()
        self._segments, self._foreign_files = find_segments(folder)

    def __iter__(self) -> Iterator[Flaw]:
        """Yield every flaw: first files that are not segments, then writer by writer in the order of the lines.

        Writers that overlap come last.

        Raises:
            LogError: a file cannot be read.
        """
        self.num_lines = 0
        self.unknown = Counter()
        for path in self._foreign_files:
            violation = Violation(kind="foreign", message=NAME_RULE)
            yield Flaw(path=path, line=0, violation=violation)
        writers, run_id = find_writers(self._segments)
        numbers = EventNumbers()
        end_times: list[tuple[Writer, int]] = []
        for writer in writers:
            if not writer.continues:
                numbers = EventNumbers()
            linter = _SegmentLinter(run_id, writer, numbers, self.unknown)
            for segment in writer.segments:
                yield from linter.lint(segment)
            self.num_lines += linter.num_lines
            end_times.append((writer, linter.end_ns))
        for overlap in find_overlaps(end_times):
            message = (
                f"rank {overlap.rank} must have one writer at a time, but {overlap.first.name} was"
                " written at the same time; all events are read"
            )
            violation = Violation(kind="overlap", message=message)
            yield Flaw(path=overlap.second, line=0, violation=violation)


@final
class _SegmentLinter:
    """Lints the files of one writer.

    Attributes:
        num_lines: lines that were checked.
        end_ns: wall time of the latest line.
    """

    def __init__(
        self,
        run_id: str | None,
        writer: Writer,
        numbers: EventNumbers,
        unknown: Counter[UnknownName],
    ) -> None:
        """Lint files of `writer`, whose event numbers follow `numbers`; count unknown names in `unknown`."""
        self.num_lines = 0
        self.end_ns = writer.start_ns
        self._owner = (run_id, writer.rank, writer.boot)
        self._end_seq = writer.end_seq
        self._numbers = numbers
        self._unknown = unknown

    def lint(self, segment: Segment) -> Iterator[Flaw]:
        """Yield the flaws of one file."""
        run_id, rank, boot = self._owner
        numbers = self._numbers
        for number, data in read_lines(segment.path):
            self.num_lines += 1
            try:
                envelope, _, unknown = inspect_line(data)
            except ContractError:
                pass
            else:
                seq = envelope.seq
                if (
                    seq == numbers.expected
                    and seq < self._end_seq
                    and envelope.boot == boot
                    and envelope.run == run_id
                    and envelope.rank == rank
                    and not unknown
                    and not DEPRECATED
                    and data[-1:] == b"\n"
                ):
                    # The common case in a few steps: everything below would find nothing.
                    numbers.add(seq)
                    self.end_ns = envelope.t_wall_ns
                    continue
            for violation in self._lint_line(data):
                yield Flaw(path=segment.path, line=number, violation=violation)

    def _lint_line(self, data: bytes) -> Iterator[Violation]:
        if is_torn(data):
            message = f"a line must end with a line end, got {len(data)} bytes without one"
            yield Violation(kind="torn", message=message)
            return
        if len(data) > segments.MAX_LINE_BYTES:
            self._numbers.num_unreadable += 1
            message = f"a line must be at most {segments.MAX_LINE_BYTES} bytes, got more"
            yield Violation(kind="not_json", message=message)
            return
        header, violations, unknown = lint_line(data)
        yield from violations
        add_names(self._unknown, unknown)
        if header is None:
            # An unreadable line was an event and used up a number.
            self._numbers.num_unreadable += 1
            return
        yield from self._lint_owner(header)
        if header.seq < self._end_seq:
            yield from self._lint_seq(header.seq)

    def _lint_owner(self, header: Header) -> Iterator[Violation]:
        run_id, rank, boot = self._owner
        got = (header.run, header.rank, header.boot)
        # The run's id is not known if no line can be read.
        if got != (header.run if run_id is None else run_id, rank, boot):
            message = f"run, rank and boot must be {self._owner}, got {got}"
            yield Violation(kind="foreign", message=message)

    def _lint_seq(self, seq: int) -> Iterator[Violation]:
        expected, is_next = self._numbers.expected, self._numbers.is_next(seq)
        is_new = self._numbers.add(seq)
        if not is_next or not is_new:
            cause = "events are missing" if is_new else "the number has been used"
            message = f"must be {expected}, got {seq}: {cause}"
            yield Violation(kind="gap", field="seq", message=message)
