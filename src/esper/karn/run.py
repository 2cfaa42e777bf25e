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
    RunFinishedPayload,
    RunResumedPayload,
    RunStartedPayload,
)
from esper._generated.telemetry import TelemetryRejectedPayload
from esper.karn.slots import SlotsBuilder
from esper.karn.story import Event, RunStory
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
    RunFinishedPayload,
    RunResumedPayload,
    RunStartedPayload,
    TelemetryRejectedPayload,
}
"""Events that a story keeps whole; lifecycle events become steps of slots, others are only counted."""


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
class _StoryBuilder:
    """Collects the events of a run, one by one, and builds its story from them."""

    def __init__(self) -> None:
        self._run_id = ""
        self._last_epoch = 0
        self._counts: Counter[type[Payload]] = Counter()
        self._kept: defaultdict[type[Payload], list[Event[Any]]] = defaultdict(list)
        self._slots = SlotsBuilder()

    def add(self, envelope: Envelope, payload: Payload) -> None:
        """Process the next event."""
        self._run_id = envelope.run
        self._last_epoch = max(self._last_epoch, envelope.epoch or 0)
        self._counts[type(payload)] += 1
        if isinstance(payload, RunStartedPayload | RunResumedPayload | EpochCompletedPayload):
            # The run goes on, so an earlier end was not its last: the run has been resumed.
            self._kept[RunFinishedPayload].clear()
        if type(payload) in _KEPT:
            self._kept[type(payload)].append(Event(epoch=envelope.epoch, payload=payload))
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
        started = self._last(RunStartedPayload)
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
            epochs=self._all(EpochCompletedPayload),
            last_epoch=self._last_epoch,
            slots=self._slots.build(),
            panics=self._all(GovernorPanicPayload),
            rollbacks=self._all(GovernorRollbackPayload),
            escalations=self._all(GovernorEscalatedPayload),
            stopped=self._last(GovernorStoppedPayload),
            num_snapshots=self._counts[GovernorSnapshotPayload],
            failed_snapshots=self._all(GovernorSnapshotFailedPayload),
            num_skipped_steps=self._counts[GovernorStepSkippedPayload],
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
