"""The story of a run: the values that summaries show, read from its log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from esper._generated.channel import Payload
from esper._generated.enums import RunOutcome, SeedStage
from esper._generated.governor import (
    GovernorClearedPayload,
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorStoppedPayload,
    GovernorWatchedPayload,
)
from esper._generated.records import SeedEvidence
from esper._generated.run import (
    EpochCompletedPayload,
    HostRejuvenatedPayload,
    LoopEpochCompletedPayload,
    LoopStartedPayload,
    RunFinishedPayload,
    RunResumedPayload,
    RunStartedPayload,
)
from esper._generated.telemetry import TelemetryRejectedPayload
from esper.nissa.reader import DamagedLine, Gap, TornLine
from esper.nissa.writers import Overlap

_PayloadT = TypeVar("_PayloadT", bound=Payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Generic[_PayloadT]):
    """The payload of an event and the epoch in which it was emitted."""

    epoch: int | None
    """Epoch, from 1; None if the training loop had not set one yet."""
    payload: _PayloadT


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stage that a seed entered."""

    epoch: int | None
    """Epoch, from 1; None if the training loop had not set one yet."""
    stage: SeedStage
    reason: str | None = None
    """Reason why the seed was pruned; None for other stages."""
    initiator: str | None = None
    """Part of the program that requested the pruning, such as `policy`; None for other stages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedStory:
    """One seed, from germination to its end. A field is None if the log does not contain the value."""

    blueprint_id: str | None
    num_params: int | None
    """Number of trainable parameters."""
    improvement: float | None
    """Gain in accuracy from germination to the end of the seed, in percentage points; None before its end."""
    contribution: float | None
    """Accuracy lost when the seed is switched off, in percentage points; None when not measured."""
    evidence: SeedEvidence | None
    """Comparison of the losses with and without the seed by which it was kept or pruned; None when not measured."""
    steps: tuple[Step, ...]

    @property
    def stage(self) -> SeedStage:
        """The latest stage; UNKNOWN if the log does not contain one."""
        return self.steps[-1].stage if self.steps else SeedStage.UNKNOWN

    def has_been(self, stage: SeedStage) -> bool:
        """Return whether the seed has ever been in `stage`."""
        return any(step.stage is stage for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStory:
    """The seeds that a slot has had, in order."""

    env_id: int
    slot_id: str
    seeds: tuple[SeedStory, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The stages of all its seeds, in order."""
        return tuple(step for seed in self.seeds for step in seed.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsStory:
    """The metrics that the user's own training loop has logged at its steps."""

    num_logged: int
    """Calls that were written to the log."""
    num_left_out: int
    """Calls that were left out to limit the rate."""
    last_step: int | None
    """Step of the newest one; None if there is none, or it names no step."""
    newest: Mapping[str, float]
    """The newest value of each metric, by name; of the first 1,000 names only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownInLog:
    """A name that a later minor version of the contract has added, and that this version does not know."""

    kind: str
    """`field`, `event`, `member`, or `value`: a field with a value outside the bounds that this version has."""
    name: str
    count: int
    """How often it occurs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStory:
    """A run, as its log describes it; `read_story` makes it.

    Where several ranks wrote the log, start, resumptions, epochs and end are those of the lowest rank; all else is of
    all ranks, rank by rank.
    """

    folder: Path
    run_id: str
    num_events: int
    started: RunStartedPayload | LoopStartedPayload | None
    """None if the log does not contain the start; a LoopStartedPayload for a run of the user's own training loop."""
    resumptions: tuple[Event[RunResumedPayload], ...]
    finished: RunFinishedPayload | None
    """None if the run is still running or was killed."""
    epochs: tuple[Event[EpochCompletedPayload] | Event[LoopEpochCompletedPayload], ...]
    last_epoch: int
    """The latest epoch of any event; 0 if the training loop has not set one."""
    slots: tuple[SlotStory, ...]
    rejuvenations: tuple[Event[HostRejuvenatedPayload], ...]
    """The rejuvenations that the policy asked for, whether or not their trial kept them."""
    panics: tuple[Event[GovernorPanicPayload], ...]
    cleared: tuple[Event[GovernorClearedPayload], ...]
    """The suspicions that were unfounded."""
    watched: tuple[Event[GovernorWatchedPayload], ...]
    """What a governor that only watches would have done."""
    rollbacks: tuple[Event[GovernorRollbackPayload], ...]
    escalations: tuple[Event[GovernorEscalatedPayload], ...]
    stopped: Event[GovernorStoppedPayload] | None
    """None unless the governor stopped the run."""
    num_snapshots: int
    failed_snapshots: tuple[Event[GovernorSnapshotFailedPayload], ...]
    num_skipped_steps: int
    metrics: MetricsStory
    rejected: tuple[Event[TelemetryRejectedPayload], ...]
    torn: tuple[TornLine, ...]
    damaged: tuple[DamagedLine, ...]
    """Lines left out because they break the contract; the first 1,000."""
    num_damaged: int
    gaps: tuple[Gap, ...]
    """Places where event numbers do not follow each other; the first 1,000."""
    num_gaps: int
    unknown: tuple[UnknownInLog, ...]
    """Names that a later minor version of the contract has added."""
    num_set_aside: int
    """Events left out because this version does not know them or cannot hold one of their values."""
    overlaps: tuple[Overlap, ...]
    """Writers of one rank that wrote at the same time."""
    other_files: tuple[Path, ...]
    """Files in the log's folder that Esper did not write."""
    num_superseded: int
    """Events left out because the run was resumed from a checkpoint before them."""

    @property
    def outcome(self) -> RunOutcome | None:
        """How the run ended; None if it is still running or was killed."""
        return None if self.finished is None else self.finished.outcome

    @property
    def epochs_planned(self) -> int | None:
        """Number of epochs planned, as requested when the run was started or last resumed."""
        if self.resumptions:
            return self.resumptions[-1].payload.epochs
        return None if self.started is None else self.started.epochs

    @property
    def metric(self) -> str:
        """Name of the metric that the accuracies are."""
        started = self.started
        named = started.metric if isinstance(started, RunStartedPayload) else None
        return "accuracy" if named is None else named

    @property
    def num_test(self) -> int | None:
        """Number of test samples; None if the run has none."""
        return self.started.num_test if isinstance(self.started, RunStartedPayload) else None

    @property
    def test_accuracy(self) -> float | None:
        """Test accuracy of the grown network, in percent; None when not measured."""
        return None if self.finished is None else self.finished.test_accuracy

    @property
    def host_test_accuracy(self) -> float | None:
        """Test accuracy of the host alone, in percent; None when not measured."""
        return None if self.finished is None else self.finished.baseline_test_accuracy

    @property
    def host_accuracy(self) -> float | None:
        """Validation accuracy of the host alone, in percent; None when not measured."""
        return None if self.finished is None else self.finished.baseline_accuracy

    @property
    def grown_accuracy(self) -> float | None:
        """Validation accuracy of the grown network, in percent; the latest measured one if the run has not finished."""
        if self.finished is not None:
            return self.finished.val_accuracy
        measured = (event.payload.val_accuracy for event in reversed(self.epochs))
        return next((accuracy for accuracy in measured if accuracy is not None), None)

    @property
    def num_host_params(self) -> int | None:
        """Parameters of the host alone; None if the log does not contain the number."""
        if isinstance(self.started, LoopStartedPayload):
            return self.started.num_host_params
        source = self.finished or self.started
        return None if source is None else source.num_host_params

    @property
    def num_params(self) -> int | None:
        """Parameters of the grown network; of the latest epoch if the run has not finished."""
        is_own_loop = isinstance(self.started, LoopStartedPayload)
        # RUN_FINISHED says 0 where the number of an own loop is not known.
        if self.finished is not None and not (is_own_loop and self.finished.num_params == 0):
            return self.finished.num_params
        return self.epochs[-1].payload.num_params if self.epochs else None

    @property
    def params_added(self) -> int | None:
        """Parameters that growing has added; None if the log does not contain both numbers."""
        if self.num_params is None or self.num_host_params is None:
            return None
        return self.num_params - self.num_host_params

    @property
    def epochs_completed(self) -> int:
        """Number of epochs trained to their end."""
        if self.finished is not None:
            return self.finished.epochs_completed
        return max((event.epoch or 0 for event in self.epochs), default=0)

    def count_seeds(self, stage: SeedStage) -> int:
        """Return how many seeds have ever been in `stage`."""
        return sum(seed.has_been(stage) for slot in self.slots for seed in slot.seeds)
