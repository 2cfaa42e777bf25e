"""Validates a whole run log against the contract and reports every flaw, instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import final

from esper.nissa.line_lint import Header, Violation, lint_line
from esper.nissa.segments import NAME_RULE, Line, Segment, find_end_seqs, find_segments, read_lines


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
class LogLinter:
    """Finds the flaws of a run log: iterate over it. Every iteration reads the files again.

    Attributes:
        folder: the run's folder.
        num_lines: lines that were checked; complete after an iteration.
    """

    def __init__(self, folder: Path) -> None:
        """Find the files of the run in `folder`.

        Raises:
            RunNotFoundError: `folder` does not hold a run log.
            LogError: the log's folder cannot be read.
        """
        self.folder = folder
        self.num_lines = 0
        self._run_id: str | None = None
        self._segments, self._foreign_files = find_segments(folder)

    def __iter__(self) -> Iterator[Flaw]:
        """Yield every flaw: first files that are not segments, then rank by rank in the order of the lines.

        Raises:
            LogError: a file cannot be read, or has a line longer than `MAX_LINE_BYTES`.
        """
        self.num_lines = 0
        self._run_id = None
        for path in self._foreign_files:
            violation = Violation(kind="foreign", message=NAME_RULE)
            yield Flaw(path=path, line=0, violation=violation)
        for _, segments in groupby(self._segments, key=lambda segment: segment.rank):
            yield from self._lint_rank(list(segments))

    def _lint_rank(self, segments: Sequence[Segment]) -> Iterator[Flaw]:
        expected_seq = 0
        end_seqs = find_end_seqs(segments, _read_seq)
        for segment, end_seq in zip(segments, end_seqs, strict=True):
            for line in read_lines(segment.path):
                self.num_lines += 1
                header, violations = _lint_whole(line)
                violations += self._lint_owner(segment, header)
                if header is None:
                    # An unreadable line, unless it is torn, was an event and used up a number.
                    expected_seq += not line.is_torn
                elif header.seq < end_seq:
                    violations += _lint_seq(header.seq, expected_seq)
                    expected_seq = max(expected_seq, header.seq + 1)
                for violation in violations:
                    yield Flaw(path=line.path, line=line.number, violation=violation)

    def _lint_owner(self, segment: Segment, header: Header | None) -> Iterator[Violation]:
        if header is None:
            return
        self._run_id = self._run_id or header.run
        expected = (self._run_id, segment.rank, segment.boot)
        got = (header.run, header.rank, header.boot)
        if got != expected:
            message = f"run, rank and boot must be {expected}, got {got}"
            yield Violation(kind="foreign", message=message)


def _lint_whole(line: Line) -> tuple[Header | None, list[Violation]]:
    if line.is_torn:
        message = f"a line must end with a line end, got {len(line.data)} bytes without one"
        return None, [Violation(kind="torn", message=message)]
    return lint_line(line.data)


def _lint_seq(seq: int, expected_seq: int) -> Iterator[Violation]:
    if seq != expected_seq:
        cause = "events are missing" if seq > expected_seq else "the number has been used"
        message = f"must be {expected_seq}, got {seq}: {cause}"
        yield Violation(kind="gap", field="seq", message=message)


def _read_seq(line: Line) -> int | None:
    header, _ = lint_line(line.data)
    return None if header is None else header.seq
