"""The story of a run: the values that summaries show, read from its log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

from esper._generated.channel import Payload
from esper._generated.enums import RunOutcome, SeedStage, Severity
from esper._generated.governor import (
    GovernorClearedPayload,
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRecoveredPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorSnapshotPayload,
    GovernorStepSkippedPayload,
    GovernorStoppedPayload,
    GovernorWatchedPayload,
)
from esper._generated.records import Provenance
from esper._generated.run import (
    EpochCompletedPayload,
    HostRejuvenatedPayload,
    LoopEpochCompletedPayload,
    LoopStartedPayload,
    RunFinishedPayload,
    RunResumedPayload,
    RunStartedPayload,
)
from esper._generated.system import SystemSampledPayload
from esper._generated.telemetry import (
    HubStatsPayload,
    SinkFailedPayload,
    SinkStartedPayload,
    SinkStatsPayload,
    TelemetryRejectedPayload,
)
from esper.karn.log_story import MetricsStory, MissingInLog, UnknownInLog, WriterStory
from esper.karn.seed_story import SlotStory
from esper.karn.series import Series
from esper.nissa.reader import DamagedLine, Gap, TornLine
from esper.nissa.writers import Overlap

_PayloadT = TypeVar("_PayloadT", bound=Payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Generic[_PayloadT]):
    """The payload of an event, the epoch in which it was emitted, and its place in the log.

    A field of the payload is None, whatever its type, where the log lacks it (see `RunStory.missing`).
    """

    epoch: int | None
    """Epoch, from 1; None if the training loop had not set one yet."""
    payload: _PayloadT
    t_wall_ns: int = 0
    """Wall time in nanoseconds since 1970 UTC."""
    rank: int = 0
    """Rank, process (`boot`) and number (`seq`) of the event, by which it is found in the log."""
    boot: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernorStory:
    """The checks and actions of the governor.

    Of each kind of event with more than 1,000, the first and the newest 500 are kept; `RunStory.counts` has all numbers.
    """

    verdicts: Mapping[str, int]
    """How many epochs ended with each verdict, by the name of the member of Severity."""
    newest_verdict: Severity | None
    """Verdict on the newest epoch; None if there is none."""
    panics: tuple[Event[GovernorPanicPayload], ...]
    cleared: tuple[Event[GovernorClearedPayload], ...]
    """The suspicions that were unfounded."""
    watched: tuple[Event[GovernorWatchedPayload], ...]
    """What a governor that only watches would have done."""
    rollbacks: tuple[Event[GovernorRollbackPayload], ...]
    escalations: tuple[Event[GovernorEscalatedPayload], ...]
    recoveries: tuple[Event[GovernorRecoveredPayload], ...]
    """Whole windows without a rollback, after which the actions of the last rollbacks ended."""
    snapshots: tuple[Event[GovernorSnapshotPayload], ...]
    failed_snapshots: tuple[Event[GovernorSnapshotFailedPayload], ...]
    skipped_steps: tuple[Event[GovernorStepSkippedPayload], ...]
    stopped: Event[GovernorStoppedPayload] | None
    """None unless the governor stopped the run."""
    snapshot_bytes: Series | None
    """Size of the snapshots in bytes, by step; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStory:
    """A process that carries the log to a sink, as its own log describes it."""

    sink: str
    """Name of the sink, such as tensorboard."""
    started: Event[SinkStartedPayload] | None
    """Its newest start; None if the log does not contain it."""
    stats: Event[SinkStatsPayload] | None
    """Its newest counts; None if there are none."""
    failure: Event[SinkFailedPayload] | None
    """Its newest failure; None if it has not failed."""
    num_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the run is."""

    epoch: int
    """Epochs completed."""
    epochs_planned: int | None
    """None if not known."""
    seconds: float | None
    """Time from the first to the newest event of the run, in seconds; None if there is only one event."""
    seconds_left: float | None
    """Estimate from the median time of the newest 20 epochs, in seconds; 0 for a run that has ended, None if not known."""
    first_event_ns: int
    """Wall time of the first event, in nanoseconds since 1970 UTC."""
    last_event_ns: int
    """Wall time of the newest event, in nanoseconds since 1970 UTC."""
    is_alive: bool | None
    """Whether a process holds the lock of the run; None if that was not looked at, or the run has no lock file."""


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
    end: Event[RunFinishedPayload] | None
    """The event with `finished` as its payload; None if there is none."""
    epochs: tuple[Event[EpochCompletedPayload] | Event[LoopEpochCompletedPayload], ...]
    """The completed epochs, evenly spaced if there are thousands; the newest is always there."""
    last_epoch: int
    """The latest epoch of any event; 0 if the training loop has not set one."""
    slots: tuple[SlotStory, ...]
    rejuvenations: tuple[Event[HostRejuvenatedPayload], ...]
    """The rejuvenations that the policy asked for, whether or not their trial kept them."""
    panics: tuple[Event[GovernorPanicPayload], ...]
    """This and the other events of the governor are those of `governor`."""
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
    headers: tuple[Event[RunStartedPayload] | Event[LoopStartedPayload], ...]
    """The starts in the log, in order: more than one if several processes each started a run in the folder."""
    provenance: Provenance | None
    """Program, machine, configuration and data of the process that started or last resumed the run."""
    tags: Mapping[str, str | None]
    """The tags of the run, each with its note; None for one without a note. Empty if they cannot be read."""
    losses: Mapping[str, Series]
    """Losses per epoch (`train_loss`, `val_loss`) and those among the logged metrics whose name contains "loss".

    This and the other mappings have the curve of the lowest rank and environment by the plain name; those of others have
    names such as `val_loss (env 1)` and `loss (rank 1)`. Of at most 1,000 names of logged metrics there is a curve.
    """
    metric_series: Mapping[str, Series]
    """Accuracies per epoch (`train_accuracy`, `val_accuracy`) and the other logged metrics, per epoch or per step.

    A metric that was logged per epoch and per step has the second curve under `NAME (steps)`. A metric logged without a
    step has the number of the call as x.
    """
    learning_rates: Mapping[str, Series]
    """`learning_rate` per epoch."""
    epoch_values: Mapping[str, Series]
    """Other values per epoch: `num_params`, `host_grad_norm`, `duration_s` (in seconds), `severity` (number of the member)."""
    governor: GovernorStory
    system: Mapping[str, Series]
    """Samples of the machine by wall time, by the name of the field; of a GPU as in `gpu 0 utilization`."""
    system_newest: tuple[Event[SystemSampledPayload], ...]
    """The newest sample of each process, with the totals of memory and disk."""
    hubs: tuple[Event[HubStatsPayload], ...]
    """The newest counts of each process's hub and its sinks."""
    sinks: tuple[SinkStory, ...]
    """Processes that carry a log to a sink; their events are in logs of their own."""
    progress: Progress
    counts: Mapping[str, int]
    """How many events there are of each kind, by name: also of those that the story does not keep one by one."""
    missing: tuple[MissingInLog, ...]
    """Fields that the log lacks although the contract requires them."""
    env_ids: tuple[int, ...]
    """Training environments in the events, in ascending order; -1 for events of channels that were not bound to one."""
    writers: tuple[WriterStory, ...]
    """The processes that wrote the log, in the order in which they are read."""

    @property
    def num_panics(self) -> int:
        """Number of panics; `panics` may hold fewer."""
        return self.counts.get("GOVERNOR_PANIC", 0)

    @property
    def num_rollbacks(self) -> int:
        """Number of rollbacks; `rollbacks` may hold fewer."""
        return self.counts.get("GOVERNOR_ROLLBACK", 0)

    @property
    def num_cleared(self) -> int:
        """Number of suspicions that were unfounded; `cleared` may hold fewer."""
        return self.counts.get("GOVERNOR_CLEARED", 0)

    @property
    def state(self) -> Literal["ended", "running", "died", "unknown"]:
        """Whether the run has ended, goes on, or has died: its end is not in the log although no process writes it.

        "unknown" if the end is not in the log, and it is not known whether a process writes it.
        """
        if self.finished is not None:
            return "ended"
        alive = self.progress.is_alive
        return "unknown" if alive is None else "running" if alive else "died"

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
    def has_epochs(self) -> bool:
        """Whether the training loop counts epochs; if not, all events of the run are in its first."""
        return bool(self.epochs) or self.epochs_planned is not None

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
    def quality(self) -> float | None:
        """The accuracy by which runs are compared, in percent: on test samples, or else the latest on validation samples."""
        return self.grown_accuracy if self.test_accuracy is None else self.test_accuracy

    @property
    def host_quality(self) -> float | None:
        """That of the host alone, on the same samples; None when not measured."""
        return self.host_accuracy if self.test_accuracy is None else self.host_test_accuracy

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
    def num_updates(self) -> int | None:
        """Parameters that got a gradient, summed over the optimizer steps; None if the log does not contain the number."""
        newest = self._newest_cost
        return None if newest is None else newest.num_updates

    @property
    def num_flops(self) -> float | None:
        """Floating-point operations of the training; None if the log does not contain the number."""
        newest = self._newest_cost
        return None if newest is None else newest.num_flops

    @property
    def _newest_cost(self) -> RunFinishedPayload | EpochCompletedPayload | None:
        if self.finished is not None:
            return self.finished
        newest = self.epochs[-1].payload if self.epochs else None
        return newest if isinstance(newest, EpochCompletedPayload) else None

    @property
    def params_added(self) -> int | None:
        """Parameters that growing has added; None if the log does not contain both numbers."""
        if self.num_params is None or self.num_host_params is None:
            return None
        return self.num_params - self.num_host_params

    @property
    def epochs_completed(self) -> int:
        """Number of epochs trained to their end."""
        completed: int | None = None if self.finished is None else self.finished.epochs_completed
        if completed is not None:
            return completed
        return max((event.epoch or 0 for event in self.epochs), default=0)

    def count_seeds(self, stage: SeedStage) -> int:
        """Return how many seeds have ever been in `stage`."""
        return sum(seed.has_been(stage) for slot in self.slots for seed in slot.seeds)
