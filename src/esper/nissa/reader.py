"""Reads a run log back: every line checked against the contract, in order, in constant memory.

Segments of a rank follow each other by number. A resumed process goes on from a checkpoint, so its first event may
have a number that an earlier process has used as well: what the earlier one told from there on is superseded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

from esper.leyline.errors import LogError, RunNotFoundError
from esper.nissa.decoding import Record, decode_record
from esper.nissa.lines import Line, read_lines
from esper.nissa.segments import LOG_FOLDER, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class TornLine:
    """A last line of a file that was not written to its end."""

    path: Path
    line: int
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A line whose number does not follow: events are missing before it, or it has been told already."""

    path: Path
    line: int
    expected_seq: int
    got_seq: int


class RunRecords:
    """The events of a run. Each iteration reads the files anew, rank after rank.

    The attributes are complete after an iteration.

    Attributes:
        folder: the run's folder.
        torn: last lines that are left out because they are not whole.
        gaps: places where numbers do not follow; an event that was told already is left out.
        num_superseded: events left out because the run was resumed from before them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.torn: list[TornLine] = []
        self.gaps: list[Gap] = []
        self.num_superseded = 0
        self._run_id: str | None = None
        self._segments = _find_segments(folder)

    def __iter__(self) -> Iterator[Record]:
        """Yield envelope and payload of each event.

        Raises:
            LogError: a whole line is none of the contract's or of another run, or a file cannot be read.
        """
        self.torn, self.gaps, self.num_superseded = [], [], 0
        self._run_id = None
        for rank in sorted({segment.rank for segment in self._segments}):
            yield from self._read_rank([s for s in self._segments if s.rank == rank])

    def _read_rank(self, segments: list[Segment]) -> Iterator[Record]:
        first_seqs = [_first_seq(segment) for segment in segments]
        expected_seq = 0
        for index, segment in enumerate(segments):
            end_seq = min(first_seqs[index + 1 :], default=inf)
            for line, (envelope, payload) in self._read_segment(segment):
                if envelope.seq >= end_seq:
                    self.num_superseded += 1
                    continue
                if envelope.seq != expected_seq:
                    self._note_gap(line, expected_seq, envelope.seq)
                if envelope.seq >= expected_seq:
                    expected_seq = envelope.seq + 1
                    yield envelope, payload

    def _read_segment(self, segment: Segment) -> Iterator[tuple[Line, Record]]:
        for line in read_lines(segment.path):
            if line.is_torn:
                torn = TornLine(path=line.path, line=line.number, num_bytes=len(line.data))
                self.torn.append(torn)
                return
            envelope, payload = decode_record(line)
            self._run_id = self._run_id or envelope.run
            expected = (self._run_id, segment.rank, segment.boot)
            got = (envelope.run, envelope.rank, envelope.boot)
            if got != expected:
                raise LogError(
                    f"{line.place}: run, rank and boot must be {expected}, got {got};"
                    " the line belongs to another log: remove it from this one"
                )
            yield line, (envelope, payload)

    def _note_gap(self, line: Line, expected_seq: int, got_seq: int) -> None:
        self.gaps.append(
            Gap(path=line.path, line=line.number, expected_seq=expected_seq, got_seq=got_seq)
        )


def read_run(folder: Path) -> RunRecords:
    """Return the events of the run in `folder`.

    Raises:
        RunNotFoundError: there is no run log in `folder`.
        LogError: a file there was not written by Esper.
    """
    return RunRecords(folder)


def _find_segments(folder: Path) -> list[Segment]:
    """Return the files of the log in the order in which they follow each other."""
    log_folder = folder / LOG_FOLDER
    if not log_folder.is_dir():
        raise RunNotFoundError(
            f"a run must have a folder named {LOG_FOLDER}, got {folder} without one; see: esper runs"
        )
    try:
        paths = [path for path in log_folder.iterdir() if path.suffix == ".jsonl"]
    except OSError as error:
        raise LogError(
            f"{log_folder}: a run log must be readable, got {error.strerror}; copy the run to a sound disk"
        ) from error
    segments = []
    for path in paths:
        segment = Segment.parse(path)
        if segment is None:
            raise LogError(
                f"{path}: a log file must be named RANK-BOOT-SEGMENT.jsonl; move other files elsewhere"
            )
        segments.append(segment)
    return sorted(segments, key=lambda segment: (segment.number, segment.boot))


def _first_seq(segment: Segment) -> float:
    """Return the number of a file's first event; infinity when it has none."""
    for line in read_lines(segment.path):
        return inf if line.is_torn else decode_record(line)[0].seq
    return inf
