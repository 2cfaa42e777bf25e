"""What came of a run: the values that summaries are made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from esper._generated.channel import Payload
from esper._generated.enums import RunOutcome, SeedStage
from esper._generated.governor import (
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorStoppedPayload,
)
from esper._generated.run import (
    EpochCompletedPayload,
    RunFinishedPayload,
    RunResumedPayload,
    RunStartedPayload,
)
from esper._generated.telemetry import TelemetryRejectedPayload
from esper.nissa.reader import Gap, TornLine

_PayloadT = TypeVar("_PayloadT", bound=Payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Generic[_PayloadT]):
    """An event and the epoch it was told in."""

    epoch: int | None
    """From 1; None before the first, or when nobody said."""
    payload: _PayloadT


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stage that a seed entered."""

    epoch: int | None
    """From 1; None before the first, or when nobody said."""
    stage: SeedStage
    reason: str | None = None
    """Why the seed was pruned; None for other stages."""
    initiator: str | None = None
    """Who asked for it; None for other stages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedStory:
    """One seed, from germination to its end."""

    blueprint_id: str | None
    """None, as every other fact, when the log does not hold it."""
    num_params: int | None
    """Trainable parameters."""
    improvement: float | None
    """Gain in accuracy from germination to its end, in percentage points; None while it lives."""
    contribution: float | None
    """Accuracy lost when it is switched off, in percentage points; None when not measured."""
    steps: tuple[Step, ...]

    @property
    def stage(self) -> SeedStage:
        """The newest stage; UNKNOWN when the log does not hold one."""
        return self.steps[-1].stage if self.steps else SeedStage.UNKNOWN

    def has_been(self, stage: SeedStage) -> bool:
        """Return whether the seed ever was in `stage`."""
        return any(step.stage is stage for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStory:
    """The seeds that a slot has held, in order."""

    env_id: int
    slot_id: str
    seeds: tuple[SeedStory, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The stages of all its seeds, in order."""
        return tuple(step for seed in self.seeds for step in seed.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStory:
    """A run as its log tells it."""

    folder: Path
    run_id: str
    num_events: int
    started: RunStartedPayload | None
    """None when the log does not hold the start."""
    resumptions: tuple[Told[RunResumedPayload], ...]
    finished: RunFinishedPayload | None
    """None while the run goes on, or when it was killed."""
    epochs: tuple[Told[EpochCompletedPayload], ...]
    last_epoch: int
    """The newest epoch that any event was told in; 0 when nobody said."""
    slots: tuple[SlotStory, ...]
    panics: tuple[Told[GovernorPanicPayload], ...]
    rollbacks: tuple[Told[GovernorRollbackPayload], ...]
    escalations: tuple[Told[GovernorEscalatedPayload], ...]
    stopped: Told[GovernorStoppedPayload] | None
    """None unless the governor ended the run."""
    num_snapshots: int
    failed_snapshots: tuple[Told[GovernorSnapshotFailedPayload], ...]
    num_skipped_steps: int
    rejected: tuple[Told[TelemetryRejectedPayload], ...]
    torn: tuple[TornLine, ...]
    gaps: tuple[Gap, ...]
    num_superseded: int
    """Lines left out because the run was resumed from before them."""

    @property
    def outcome(self) -> RunOutcome | None:
        """How the run ended; None while it goes on, or when it was killed."""
        return None if self.finished is None else self.finished.outcome

    @property
    def epochs_planned(self) -> int | None:
        """Epochs that were asked for last."""
        if self.resumptions:
            return self.resumptions[-1].payload.epochs
        return None if self.started is None else self.started.epochs

    @property
    def host_accuracy(self) -> float | None:
        """Accuracy of the host alone, in percent; None when not measured."""
        return None if self.finished is None else self.finished.baseline_accuracy

    @property
    def grown_accuracy(self) -> float | None:
        """Accuracy of the grown network, in percent; of the newest epoch when the run did not end in order."""
        if self.finished is not None:
            return self.finished.val_accuracy
        return self.epochs[-1].payload.val_accuracy if self.epochs else None

    @property
    def num_host_params(self) -> int | None:
        """Parameters of the host alone."""
        told = self.finished or self.started
        return None if told is None else told.num_host_params

    @property
    def num_params(self) -> int | None:
        """Parameters of the grown network; of the newest epoch when the run did not end in order."""
        if self.finished is not None:
            return self.finished.num_params
        return self.epochs[-1].payload.num_params if self.epochs else None

    @property
    def params_added(self) -> int | None:
        """Parameters that the network has grown by."""
        if self.num_params is None or self.num_host_params is None:
            return None
        return self.num_params - self.num_host_params

    @property
    def epochs_completed(self) -> int:
        """Epochs that were trained to their end."""
        if self.finished is not None:
            return self.finished.epochs_completed
        return max((told.epoch or 0 for told in self.epochs), default=0)

    def count_seeds(self, stage: SeedStage) -> int:
        """Return how many seeds ever were in `stage`."""
        return sum(seed.has_been(stage) for slot in self.slots for seed in slot.seeds)
