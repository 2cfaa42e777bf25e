"""Checks a run log against the contract from end to end, without stopping at what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path

from esper.leyline.errors import RunNotFoundError
from esper.nissa.flaw import Complaint, Flaw
from esper.nissa.line_lint import Header, lint_line
from esper.nissa.lines import Line, read_lines
from esper.nissa.segments import LOG_FOLDER, Segment


class LogLint:
    """The flaws of a run log. Each iteration reads the files anew.

    Attributes:
        folder: the run's folder.
        num_lines: lines that were looked at; complete after an iteration.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare to check the log of the run in `folder`.

        Raises:
            RunNotFoundError: there is no run log in `folder`.
        """
        if not (folder / LOG_FOLDER).is_dir():
            raise RunNotFoundError(
                f"a run must have a folder named {LOG_FOLDER}, got {folder} without one; see: esper runs"
            )
        self.folder = folder
        self.num_lines = 0
        self._run_id: str | None = None

    def __iter__(self) -> Iterator[Flaw]:
        """Yield every flaw, rank after rank, each in the order of its files.

        Raises:
            LogError: a file cannot be read, or has a line longer than any that is written.
        """
        self.num_lines = 0
        self._run_id = None
        segments = []
        for path in sorted((self.folder / LOG_FOLDER).glob("*.jsonl")):
            segment = Segment.parse(path)
            if segment is None:
                message = (
                    "a log file must be named RANK-BOOT-SEGMENT.jsonl; move other files elsewhere"
                )
                yield Flaw(path=path, line=0, complaint=Complaint(kind="foreign", message=message))
            else:
                segments.append(segment)
        segments.sort(key=lambda segment: (segment.rank, segment.number, segment.boot))
        for rank in sorted({segment.rank for segment in segments}):
            yield from self._lint_rank([one for one in segments if one.rank == rank])

    def _lint_rank(self, segments: list[Segment]) -> Iterator[Flaw]:
        first_seqs = [_first_seq(segment) for segment in segments]
        expected_seq = 0
        for index, segment in enumerate(segments):
            # A resumed process tells anew from here on, so numbers go on in its file.
            end_seq = min(first_seqs[index + 1 :], default=inf)
            for line in read_lines(segment.path):
                self.num_lines += 1
                header, complaints = _lint_whole(line)
                complaints += self._lint_owner(segment, header)
                if header is None:
                    # Whatever it was, it had a number.
                    expected_seq += not line.is_torn
                elif header.seq < end_seq:
                    complaints += _lint_seq(header.seq, expected_seq)
                    expected_seq = max(expected_seq, header.seq + 1)
                for complaint in complaints:
                    yield Flaw(path=line.path, line=line.number, complaint=complaint)

    def _lint_owner(self, segment: Segment, header: Header | None) -> Iterator[Complaint]:
        if header is None:
            return
        self._run_id = self._run_id or header.run
        expected = (self._run_id, segment.rank, segment.boot)
        got = (header.run, header.rank, header.boot)
        if got != expected:
            message = f"run, rank and boot must be {expected}, got {got}"
            yield Complaint(kind="foreign", message=message)


def _lint_whole(line: Line) -> tuple[Header | None, list[Complaint]]:
    if line.is_torn:
        message = f"a line must end with a line end, got {len(line.data)} bytes without one"
        return None, [Complaint(kind="torn", message=message)]
    return lint_line(line.data)


def _lint_seq(seq: int, expected_seq: int) -> Iterator[Complaint]:
    if seq != expected_seq:
        what = "events are missing" if seq > expected_seq else "the number has been used"
        message = f"must be {expected_seq}, got {seq}: {what}"
        yield Complaint(kind="gap", field="seq", message=message)


def _first_seq(segment: Segment) -> float:
    """Return the number of a file's first event; infinity when it cannot be made out."""
    for line in read_lines(segment.path):
        header, _ = _lint_whole(line)
        return inf if header is None else header.seq
    return inf
