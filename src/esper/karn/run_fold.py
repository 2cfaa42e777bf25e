"""Collects the events of a run and builds its story from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, final

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper._generated.unknown import UnknownName
from esper.karn.joining import StoryJoiner
from esper.karn.log_story import UnknownInLog
from esper.karn.story import RunStory
from esper.karn.writer_fold import WriterFold
from esper.leyline.errors import LogError
from esper.leyline.text import pluralize
from esper.nissa.reader import LoggedEvent, RunEvents
from esper.nissa.tags import read_tags
from esper.nissa.writers import Writer


@final
class RunFold:
    """Collects the events of a run and builds its story from them, in memory that does not grow with their number.

    The events of one process must come in their order; those of different ones may be interleaved in any way, which does
    not change the story. `build` may be called at any time, also between events.

    Attributes:
        writers: the part of each process, by rank and boot id.
    """

    def __init__(self) -> None:
        """Start without events."""
        self.writers: dict[tuple[int, str], WriterFold] = {}

    @property
    def num_events(self) -> int:
        """Number of events that were processed."""
        return sum(sum(fold.counts.values()) for fold in self.writers.values())

    def find_ends(self, writers: Iterable[Writer]) -> Iterator[tuple[Writer, int]]:
        """Yield each of `writers` with the wall time of its newest event, or of its start if it has none here."""
        for writer in writers:
            fold = self.writers.get((writer.rank, writer.boot))
            yield writer, writer.start_ns if fold is None else fold.last_ns

    def add(self, envelope: Envelope, payload: Payload) -> None:
        """Process the next event of a process."""
        self.extend([(envelope, payload)])

    def extend(self, events: Iterable[LoggedEvent]) -> None:
        """Process further events."""
        # What is the same for a stretch of events of one kind is done once, because this loop runs a million times.
        fold, kind, count, epoch = WriterFold(), Payload, 0, None
        rank, boot = -1, ""
        first = last = None
        handle: Any = None
        try:
            for envelope, payload in events:
                if type(payload) is not kind or envelope.boot != boot or envelope.rank != rank:
                    if first is not None and last is not None:
                        fold.note(kind.EVENT, count, first, last)
                    kind, count, first = type(payload), 0, envelope
                    rank, boot = envelope.rank, envelope.boot
                    fold = self._find(rank, boot)
                    handle = fold.find_handler(kind.EVENT)
                    epoch = None
                count += 1
                last = envelope
                if envelope.epoch != epoch:
                    epoch = envelope.epoch
                    if epoch is not None and epoch > fold.last_epoch:
                        fold.last_epoch = epoch
                handle(envelope, payload)
        finally:
            if first is not None and last is not None:
                fold.note(kind.EVENT, count, first, last)

    def _find(self, rank: int, boot: str) -> WriterFold:
        fold = self.writers.get((rank, boot))
        if fold is None:
            fold = self.writers[rank, boot] = WriterFold()
        return fold

    def build(self, events: RunEvents, *, is_alive: bool | None = None) -> RunStory:
        """Return the story.

        Args:
            events: the iterated log, which knows its writers, torn lines and gaps.
            is_alive: whether a process holds the lock of the run; None if that is not known.

        Raises:
            LogError: the log has no events.
        """
        writers = [one for one in events.writers if (one.rank, one.boot) in self.writers]
        if not writers:
            raise LogError(_describe_empty(events))
        folds = [(one, self.writers[one.rank, one.boot]) for one in writers]
        lead_rank = min((one.rank for one, fold in folds if fold.describes_the_run), default=0)
        joiner = StoryJoiner(lead_rank)
        for writer, fold in folds:
            joiner.extend(writer, fold)
        return joiner.build(
            events,
            unknown=name_unknown(events.unknown),
            tags=_read_tags(events.folder),
            is_alive=is_alive,
        )


def _read_tags(folder: Path) -> dict[str, str | None]:
    """Return the tags of a run; an empty dict if they cannot be read, which must not keep anybody from the story."""
    try:
        return read_tags(folder)
    except LogError:
        return {}


def _describe_empty(events: RunEvents) -> str:
    """Return the message for a log without events."""
    if not events.num_damaged:
        return (
            f"no events in the run log of {events.folder}: the run ended before its first event;"
            " start another run"
        )
    first = events.damaged[0]
    return (
        f"no events in the run log of {events.folder}, but"
        f" {pluralize(events.num_damaged, 'damaged line')}, the first: {first.message}"
    )


def name_unknown(counts: Counter[UnknownName]) -> tuple[UnknownInLog, ...]:
    """Return the unknown names of a log, sorted by kind and name."""
    return tuple(
        UnknownInLog(kind=unknown.kind, name=unknown.name, count=count)
        for unknown, count in sorted(counts.items())
    )
