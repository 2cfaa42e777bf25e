"""Builds the story of a run from its log."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, TypeVar, final

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper._generated.governor import (
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorSnapshotPayload,
    GovernorStepSkippedPayload,
    GovernorStoppedPayload,
)
from esper._generated.run import (
    EpochCompletedPayload,
    LoopEpochCompletedPayload,
    LoopStartedPayload,
    MetricsLoggedPayload,
    RunFinishedPayload,
    RunResumedPayload,
    RunStartedPayload,
)
from esper._generated.telemetry import TelemetryRejectedPayload
from esper.karn.slots import SlotsBuilder
from esper.karn.story import Event, MetricsStory, RunStory
from esper.leyline.errors import LogError
from esper.nissa.reader import RunEvents, read_run

_PayloadT = TypeVar("_PayloadT", bound=Payload)

_KEPT = {
    EpochCompletedPayload,
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorStoppedPayload,
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

_MAX_METRICS = 1000
"""Names of metrics that a story keeps."""


def read_story(folder: str | Path) -> RunStory:
    """Read the log of the run in `folder` and return its story: outcome, curves, slots, rollbacks, gaps in the log.

    A run that is still being written can be read too.

    Raises:
        RunNotFoundError: `folder` does not hold a run log.
        LogError: the log is damaged or empty, or was not written by Esper.
    """
    events = read_run(folder)
    builder = _StoryBuilder()
    for envelope, payload in events:
        builder.add(envelope, payload)
    return builder.build(events)


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
    """Collects the events of a run, one by one, and builds its story from them."""

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

    def build(self, events: RunEvents) -> RunStory:
        """Return the story; `events` is the iterated log, which knows its torn lines and gaps.

        Raises:
            LogError: the log has no events.
        """
        if not self._counts:
            raise LogError(
                f"no events in the run log of {events.folder}: the run ended before its first event; start another run"
            )
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
            panics=self._all(GovernorPanicPayload),
            rollbacks=self._all(GovernorRollbackPayload),
            escalations=self._all(GovernorEscalatedPayload),
            stopped=self._last(GovernorStoppedPayload),
            num_snapshots=self._counts[GovernorSnapshotPayload],
            failed_snapshots=self._all(GovernorSnapshotFailedPayload),
            num_skipped_steps=self._counts[GovernorStepSkippedPayload],
            metrics=self._metrics.build(),
            rejected=self._all(TelemetryRejectedPayload),
            torn=tuple(events.torn),
            gaps=tuple(events.gaps),
            num_superseded=events.num_superseded,
        )

    def _all(self, payload_type: type[_PayloadT]) -> tuple[Event[_PayloadT], ...]:
        return tuple(self._kept[payload_type])

    def _last(self, payload_type: type[_PayloadT]) -> Event[_PayloadT] | None:
        kept = self._kept[payload_type]
        return kept[-1] if kept else None
