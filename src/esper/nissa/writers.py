"""The writers of a run log: which process wrote which files, and which of them continues which.

A writer is one hub: it has a rank and a random boot id, and numbers its events without gaps. A process that resumes a
run continues the numbers of an earlier writer from a checkpoint and so replaces the events after it. All other writers
are independent: those of other ranks, spawned processes, and programs that append to the log. None of them hides
events of another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from math import inf
from pathlib import Path

from esper._generated.checks import ContractError
from esper._generated.codec import inspect_line
from esper._generated.envelope import Envelope
from esper._generated.run import RunResumedPayload
from esper.nissa.incomplete import read_incomplete
from esper.nissa.segments import Segment, read_lines

_HEAD_LINES = 8
"""Lines at the start of a writer's log among which RUN_RESUMED is found, if the writer resumed the run."""
_MAX_VOTES = 3
"""Lines that decide on a writer's first event number; one of them may be damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """One writer of a run log."""

    rank: int
    boot: str
    """Random id of the process that wrote it."""
    segments: tuple[Segment, ...]
    """Its files, in order."""
    start_ns: int
    """Wall time of its first event; 0 if no line can be read."""
    first_seq: int
    """Number of its first event."""
    continues: bool
    """Whether it resumed the run from a checkpoint of the writer before it in the list."""
    end_seq: float = inf
    """The first event number that a later writer replaces; infinity if none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two writers of one rank that wrote at the same time, and were not started by a resume."""

    rank: int
    first: Path
    """The first file of the writer that started earlier."""
    second: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The first lines of a writer's log, as far as they can be read."""

    runs: tuple[str, ...]
    start_ns: int
    first_seq: int
    is_resumed: bool


def find_writers(segments: Sequence[Segment]) -> tuple[list[Writer], str | None]:
    """Return the writers of a log in the order in which they are read, and the run's id; None if no line can be read.

    The order is by rank, and within a rank by the wall time at which the writers started; a writer that resumed the run
    follows the one it continues, whatever the clock said.

    Args:
        segments: all segments of the log, in order.

    Raises:
        LogError: a file cannot be read.
    """
    runs: Counter[str] = Counter()
    chains: list[list[Writer]] = []
    for _, of_rank in groupby(segments, key=lambda segment: segment.rank):
        writers = []
        by_boot: dict[str, list[Segment]] = {}
        for segment in of_rank:
            by_boot.setdefault(segment.boot, []).append(segment)
        for boot, own in by_boot.items():
            head = _read_head(own)
            runs.update(head.runs)
            writers.append(_make_writer(boot, own, head))
        # A writer's first number is above those of all earlier ones, unless both started at once.
        writers.sort(key=lambda one: (one.segments[0].number, one.start_ns, one.boot))
        chains += _chain(writers)
    chains.sort(key=lambda chain: (chain[0].rank, chain[0].start_ns, chain[0].boot))
    # A damaged line may name any run; the id is the one that most lines name.
    run_id = runs.most_common(1)[0][0] if runs else None
    return [writer for chain in chains for writer in _with_ends(chain)], run_id


def find_overlaps(writers: Iterable[tuple[Writer, int]]) -> list[Overlap]:
    """Return the writers that started before an earlier one of their rank ended.

    Args:
        writers: each writer with the wall time of its last event, in the order of `find_writers`.
    """
    overlaps = []
    latest: tuple[Writer, int] | None = None
    for writer, end_ns in writers:
        if latest is None or latest[0].rank != writer.rank:
            latest = writer, end_ns
            continue
        if not writer.continues and writer.start_ns < latest[1]:
            paths = latest[0].segments[0].path, writer.segments[0].path
            overlaps.append(Overlap(rank=writer.rank, first=paths[0], second=paths[1]))
        if end_ns >= latest[1]:
            latest = writer, end_ns
    return overlaps


def _read_head(segments: Sequence[Segment]) -> _Head:
    """Return the head of the writer of `segments`, from its first file of which a line can be read."""
    for segment in segments:
        events = []
        is_resumed = False
        for index, (_, data) in enumerate(islice(read_lines(segment.path), _HEAD_LINES)):
            try:
                envelope, payload, _ = inspect_line(data)
            except ContractError:
                incomplete = read_incomplete(data)
                if incomplete is None:
                    continue
                envelope, payload = incomplete.envelope, incomplete.payload
            events.append((index, envelope))
            is_resumed |= isinstance(payload, RunResumedPayload)
        if events:
            first_seq = _vote(events) if segment is segments[0] else 0
            return _Head(
                runs=tuple(envelope.run for _, envelope in events),
                start_ns=events[0][1].t_wall_ns,
                first_seq=first_seq,
                is_resumed=is_resumed or first_seq > 0,
            )
    return _Head(runs=(), start_ns=0, first_seq=0, is_resumed=False)


def _vote(events: Sequence[tuple[int, Envelope]]) -> int:
    """Return the number of a writer's first event, on which most of its first lines agree."""
    votes = Counter(max(envelope.seq - index, 0) for index, envelope in events[:_MAX_VOTES])
    return votes.most_common(1)[0][0]


def _make_writer(boot: str, segments: Sequence[Segment], head: _Head) -> Writer:
    return Writer(
        rank=segments[0].rank,
        boot=boot,
        segments=tuple(segments),
        start_ns=head.start_ns,
        first_seq=head.first_seq,
        continues=head.is_resumed,
    )


def _chain(writers: Sequence[Writer]) -> list[list[Writer]]:
    """Return the writers of one rank in chains, each of which begins with a writer that continues no other."""
    chains: list[list[Writer]] = []
    for writer in writers:
        if writer.continues and chains:
            chains[-1].append(writer)
        else:
            chains.append([replace(writer, continues=False)])
    return chains


def _with_ends(chain: Sequence[Writer]) -> list[Writer]:
    """Return the writers of a chain with the event numbers from which later ones replace their events."""
    end_seq = inf
    ended = []
    for writer in reversed(chain):
        ended.append(replace(writer, end_seq=end_seq))
        end_seq = min(end_seq, writer.first_seq)
    return ended[::-1]
