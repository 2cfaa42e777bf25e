"""Folds the log of a run into its story."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, TypeVar

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
from esper.karn.slots import SlotsFold
from esper.karn.story import RunStory, Told
from esper.leyline.errors import LogError
from esper.nissa.reader import RunRecords, read_run

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
"""Events that a story holds; of the others it holds at most the number."""


def read_story(folder: Path) -> RunStory:
    """Read the log of the run in `folder` and return what came of it.

    Raises:
        RunNotFoundError: there is no run log in `folder`.
        LogError: the log is damaged, foreign or empty.
    """
    records = read_run(folder)
    fold = _RunFold()
    for envelope, payload in records:
        fold.add(envelope, payload)
    return fold.story(records)


class _RunFold:
    """What the events so far have told."""

    def __init__(self) -> None:
        self._run_id = ""
        self._last_epoch = 0
        self._counts: Counter[type[Payload]] = Counter()
        self._told: defaultdict[type[Payload], list[Told[Any]]] = defaultdict(list)
        self._slots = SlotsFold()

    def add(self, envelope: Envelope, payload: Payload) -> None:
        """Take in the next event."""
        self._run_id = envelope.run
        self._last_epoch = max(self._last_epoch, envelope.epoch or 0)
        self._counts[type(payload)] += 1
        if isinstance(payload, RunStartedPayload | RunResumedPayload | EpochCompletedPayload):
            # A run that had ended has been taken up again.
            self._told[RunFinishedPayload].clear()
        if type(payload) in _KEPT:
            self._told[type(payload)].append(Told(epoch=envelope.epoch, payload=payload))
        else:
            self._slots.add(envelope.epoch, payload)

    def story(self, records: RunRecords) -> RunStory:
        """Return the story, once all events are in.

        Raises:
            LogError: there were none.
        """
        if not self._counts:
            raise LogError(
                f"a run log must hold an event, got none in {records.folder}; start another run"
            )
        started = self._last(RunStartedPayload)
        finished = self._last(RunFinishedPayload)
        if started is not None:
            self._slots.expect(started.payload.env_id, started.payload.slot_ids)
        return RunStory(
            folder=records.folder,
            run_id=self._run_id,
            num_events=self._counts.total(),
            started=None if started is None else started.payload,
            resumptions=self._all(RunResumedPayload),
            finished=None if finished is None else finished.payload,
            epochs=self._all(EpochCompletedPayload),
            last_epoch=self._last_epoch,
            slots=self._slots.stories(),
            panics=self._all(GovernorPanicPayload),
            rollbacks=self._all(GovernorRollbackPayload),
            escalations=self._all(GovernorEscalatedPayload),
            stopped=self._last(GovernorStoppedPayload),
            num_snapshots=self._counts[GovernorSnapshotPayload],
            failed_snapshots=self._all(GovernorSnapshotFailedPayload),
            num_skipped_steps=self._counts[GovernorStepSkippedPayload],
            rejected=self._all(TelemetryRejectedPayload),
            torn=tuple(records.torn),
            gaps=tuple(records.gaps),
            num_superseded=records.num_superseded,
        )

    def _all(self, payload_type: type[_PayloadT]) -> tuple[Told[_PayloadT], ...]:
        return tuple(self._told[payload_type])

    def _last(self, payload_type: type[_PayloadT]) -> Told[_PayloadT] | None:
        told = self._told[payload_type]
        return told[-1] if told else None
