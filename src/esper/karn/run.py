"""Builds the story of a run from its log."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, TypeVar, final

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper._generated.governor import (
    GovernorClearedPayload,
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorSnapshotPayload,
    GovernorStepSkippedPayload,
    GovernorStoppedPayload,
    GovernorWatchedPayload,
)
from esper._generated.run import (
    EpochCompletedPayload,
    HostRejuvenatedPayload,
    LoopEpochCompletedPayload,
    LoopStartedPayload,
    MetricsLoggedPayload,
    RunFinishedPayload,
    RunResumedPayload,
    RunStartedPayload,
)
from esper._generated.telemetry import TelemetryRejectedPayload
from esper._generated.unknown import UnknownName
from esper.karn.slots import SlotsBuilder
from esper.karn.story import Event, MetricsStory, RunStory, UnknownInLog
from esper.leyline.errors import LogError
from esper.leyline.text import pluralize
from esper.nissa.reader import RunEvents, read_run

_PayloadT = TypeVar("_PayloadT", bound=Payload)

_KEPT = {
    EpochCompletedPayload,
    GovernorClearedPayload,
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorStoppedPayload,
    GovernorWatchedPayload,
    HostRejuvenatedPayload,
    LoopEpochCompletedPayload,
    LoopStartedPayload,
    RunFinishedPayload,
    RunResumedPayload,
    RunStartedPayload,
    TelemetryRejectedPayload,
}
"""Events that a story keeps whole; lifecycle events become steps of slots, others are only counted."""

_GOES_ON = (
    EpochCompletedPayload,
    LoopEpochCompletedPayload,
    LoopStartedPayload,
    RunResumedPayload,
    RunStartedPayload,
)
"""Events after which an earlier end of the run was not its last."""

_OF_THE_RUN = {*_GOES_ON, RunFinishedPayload}
"""Events of the run as a whole; each rank emits them, and those of the lowest rank make the story."""

_MAX_METRICS = 1000
"""Names of metrics that a story keeps."""


def read_story(folder: str | Path, *, strict: bool = False) -> RunStory:
    """Read the log of the run in `folder` and return its story: outcome, curves, slots, rollbacks, gaps in the log.

    A run that is still being written can be read too. Damaged lines are left out and counted; with `strict` they raise.

    Raises:
        RunNotFoundError: `folder` does not hold a run log.
        LogError: the log has no events, cannot be read, was not written by Esper, or was written under a later major
            version of the contract. With `strict`: a line of it is damaged.
    """
    events = read_run(folder, strict=strict)
    fold = StoryFold()
    for envelope, payload in events:
        fold.add(envelope, payload)
    return fold.build(events)


@final
class StoryFold:
    """Collects the events of a run and builds its story from them.

    The events of one writer must come in their order; those of different writers may be interleaved in any way, which
    does not change the story.
    """

    def __init__(self) -> None:
        """Start without events."""
        self._builders: dict[tuple[int, str], _StoryBuilder] = {}

    def add(self, envelope: Envelope, payload: Payload) -> None:
        """Process the next event of a writer."""
        writer = envelope.rank, envelope.boot
        builder = self._builders.get(writer)
        if builder is None:
            builder = self._builders[writer] = _StoryBuilder()
        builder.add(envelope, payload)

    def build(self, events: RunEvents) -> RunStory:
        """Return the story; `events` is the iterated log, which knows its writers, torn lines and gaps.

        Raises:
            LogError: the log has no events.
        """
        writers = [one for one in events.writers if (one.rank, one.boot) in self._builders]
        if not writers:
            raise LogError(_describe_empty(events))
        builders = [self._builders[writer.rank, writer.boot] for writer in writers]
        of_the_run = [
            writer.rank
            for writer, builder in zip(writers, builders, strict=True)
            if builder.describes_the_run
        ]
        lead_rank = min(of_the_run, default=0)
        story = _StoryBuilder()
        for writer, builder in zip(writers, builders, strict=True):
            story.extend(builder, continues=writer.continues, leads=writer.rank == lead_rank)
        return story.build(events)


@final
class _MetricsBuilder:
    """Collects METRICS_LOGGED events, in memory that does not grow with their number."""

    def __init__(self) -> None:
        self._num_logged = 0
        self._num_left_out = 0
        self._last_step: int | None = None
        self._newest: dict[str, float] = {}

    def add(self, payload: MetricsLoggedPayload) -> None:
        """Process the next event."""
        self._num_logged += 1
        self._num_left_out += payload.num_left_out
        self._last_step = payload.step
        for name, value in payload.metrics.items():
            if name in self._newest or len(self._newest) < _MAX_METRICS:
                self._newest[name] = value

    def extend(self, other: _MetricsBuilder) -> None:
        """Add the metrics of another writer after those of this one."""
        self._num_logged += other._num_logged
        self._num_left_out += other._num_left_out
        if other._num_logged:
            self._last_step = other._last_step
        for name, value in other._newest.items():
            if name in self._newest or len(self._newest) < _MAX_METRICS:
                self._newest[name] = value

    def build(self) -> MetricsStory:
        """Return the story of the metrics."""
        return MetricsStory(
            num_logged=self._num_logged,
            num_left_out=self._num_left_out,
            last_step=self._last_step,
            newest=dict(self._newest),
        )


@final
class _StoryBuilder:
    """Collects the events of one writer, one by one; `extend` joins the writers of a run."""

    def __init__(self) -> None:
        self._run_id = ""
        self._last_epoch = 0
        self._counts: Counter[type[Payload]] = Counter()
        self._kept: defaultdict[type[Payload], list[Event[Any]]] = defaultdict(list)
        self._slots = SlotsBuilder()
        self._metrics = _MetricsBuilder()

    def add(self, envelope: Envelope, payload: Payload) -> None:
        """Process the next event."""
        self._run_id = envelope.run
        self._last_epoch = max(self._last_epoch, envelope.epoch or 0)
        self._counts[type(payload)] += 1
        if isinstance(payload, _GOES_ON):
            # The run goes on, so an earlier end was not its last: the run has been resumed.
            self._kept[RunFinishedPayload].clear()
        if type(payload) in _KEPT:
            self._kept[type(payload)].append(Event(epoch=envelope.epoch, payload=payload))
        elif isinstance(payload, MetricsLoggedPayload):
            self._metrics.add(payload)
        else:
            self._slots.add(envelope.epoch, payload)

    @property
    def describes_the_run(self) -> bool:
        """Whether the writer has emitted events of the run as a whole, such as its start."""
        return any(self._counts[payload_type] for payload_type in _OF_THE_RUN)

    def extend(self, other: _StoryBuilder, *, continues: bool, leads: bool) -> None:
        """Add the events of another writer after those of this one.

        Args:
            other: the events of the other writer.
            continues: whether the other writer resumed the run, so that its seeds are those of this one.
            leads: whether its rank is the one that tells the start, epochs and end of the run.
        """
        self._run_id = other._run_id
        self._last_epoch = max(self._last_epoch, other._last_epoch)
        if leads and any(other._counts[payload_type] for payload_type in _GOES_ON):
            self._kept[RunFinishedPayload].clear()
        self._counts += other._counts
        for payload_type, kept in other._kept.items():
            if leads or payload_type not in _OF_THE_RUN:
                self._kept[payload_type] += kept
        self._slots.extend(other._slots, continues=continues)
        self._metrics.extend(other._metrics)

    def build(self, events: RunEvents) -> RunStory:
        """Return the story; `events` is the iterated log, which knows its torn lines and gaps."""
        started: Event[RunStartedPayload] | Event[LoopStartedPayload] | None
        started = self._last(RunStartedPayload)
        if started is None:
            started = self._last(LoopStartedPayload)
        finished = self._last(RunFinishedPayload)
        if started is not None:
            self._slots.add_slots(started.payload.env_id, started.payload.slot_ids)
        return RunStory(
            folder=events.folder,
            run_id=self._run_id,
            num_events=self._counts.total(),
            started=None if started is None else started.payload,
            resumptions=self._all(RunResumedPayload),
            finished=None if finished is None else finished.payload,
            epochs=self._all(EpochCompletedPayload) + self._all(LoopEpochCompletedPayload),
            last_epoch=self._last_epoch,
            slots=self._slots.build(),
            rejuvenations=self._all(HostRejuvenatedPayload),
            panics=self._all(GovernorPanicPayload),
            cleared=self._all(GovernorClearedPayload),
            watched=self._all(GovernorWatchedPayload),
            rollbacks=self._all(GovernorRollbackPayload),
            escalations=self._all(GovernorEscalatedPayload),
            stopped=self._last(GovernorStoppedPayload),
            num_snapshots=self._counts[GovernorSnapshotPayload],
            failed_snapshots=self._all(GovernorSnapshotFailedPayload),
            num_skipped_steps=self._counts[GovernorStepSkippedPayload],
            metrics=self._metrics.build(),
            rejected=self._all(TelemetryRejectedPayload),
            torn=tuple(events.torn),
            damaged=tuple(events.damaged),
            num_damaged=events.num_damaged,
            gaps=tuple(events.gaps),
            num_gaps=events.num_gaps,
            unknown=name_unknown(events.unknown),
            num_set_aside=events.num_set_aside,
            overlaps=tuple(events.overlaps),
            other_files=tuple(events.other_files),
            num_superseded=events.num_superseded,
        )

    def _all(self, payload_type: type[_PayloadT]) -> tuple[Event[_PayloadT], ...]:
        return tuple(self._kept[payload_type])

    def _last(self, payload_type: type[_PayloadT]) -> Event[_PayloadT] | None:
        kept = self._kept[payload_type]
        return kept[-1] if kept else None


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
