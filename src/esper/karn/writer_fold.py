"""Collects the events of one process: the part of the story that needs no other process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, final

from esper._generated.envelope import Envelope
from esper._generated.run import MetricsLoggedPayload
from esper.karn.curves import CurvesBuilder
from esper.karn.kept import FirstAndNewest, Spaced
from esper.karn.series import SeriesBuilder
from esper.karn.slots import SlotsBuilder
from esper.nissa.reader import LoggedEvent

GOES_ON: Final = (
    "EPOCH_COMPLETED",
    "LOOP_EPOCH_COMPLETED",
    "LOOP_STARTED",
    "RUN_RESUMED",
    "RUN_STARTED",
)
"""Events after which an earlier end of the run was not its last."""

OF_THE_RUN: Final = (*GOES_ON, "RUN_FINISHED")
"""Events of the run as a whole; each rank emits them, and those of the lowest rank make the story."""

EPOCHS: Final = ("EPOCH_COMPLETED", "LOOP_EPOCH_COMPLETED")

MAX_METRICS: Final = 1000
"""Names of metrics whose newest values are kept."""

_MAX_DURATIONS: Final = 20

_WITH_STEP: Final = frozenset(
    {
        "GOVERNOR_CLEARED",
        "GOVERNOR_RECOVERED",
        "GOVERNOR_SNAPSHOT",
        "GOVERNOR_SNAPSHOT_FAILED",
        "GOVERNOR_STEP_SKIPPED",
        "GOVERNOR_STOPPED",
        "GOVERNOR_WATCHED",
    }
)

Handler = Callable[[Envelope, Any], None]


@final
class WriterFold:
    """Collects the events of one process, one by one, in memory that does not grow with their number.

    Attributes:
        handlers: the method that takes the events of each kind, by name.
        counts: how many events of each kind there are.
        run_id: id of the run; empty before the first event.
        last_epoch: the latest epoch of any event; 0 before the first.
        first_ns: wall time of the first event.
        last_ns: wall time of the newest event.
        kept: the events that are kept whole, by name.
        finished: the end of the run, unless it went on after it.
        epochs: completed epochs, evenly spaced.
        durations: time between the ends of the newest epochs, or the time they took, in seconds.
        verdicts: how many epochs ended with each verdict of the governor, by name.
        severity: the newest verdict.
        snapshot_bytes: size of the snapshots, by step.
        newest_metrics: the newest value of each logged metric.
        num_left_out: calls of METRICS_LOGGED that were left out to limit the rate.
        last_metrics_step: step of the newest METRICS_LOGGED.
        newest: the newest event of kinds of which only that is kept, by kind and sink.
        num_sink_failures: failures by sink.
        epoch_end: epoch and wall time of the newest end of an epoch.
        slots: the seeds.
        curves: the curves.
    """

    def __init__(self) -> None:
        """Start without events."""
        self.counts: dict[str, int] = {}
        self.run_id = ""
        self.last_epoch = 0
        self.first_ns = 0
        self.last_ns = 0
        self.kept: dict[str, FirstAndNewest] = {}
        self.finished: LoggedEvent | None = None
        self.epochs = Spaced()
        self.durations: deque[float] = deque(maxlen=_MAX_DURATIONS)
        self.verdicts: dict[str, int] = {}
        self.severity: Any = None
        self.snapshot_bytes = SeriesBuilder()
        self.newest_metrics: dict[str, float] = {}
        self.num_left_out = 0
        self.last_metrics_step: int | None = None
        self.newest: dict[tuple[str, str], LoggedEvent] = {}
        self.num_sink_failures: dict[str, int] = {}
        self.slots = SlotsBuilder()
        self.curves = CurvesBuilder()
        self.epoch_end: tuple[int, int] | None = None
        slots = self.slots
        self.handlers: dict[str, Handler] = {
            "SEED_GERMINATED": slots.add_germination,
            "SEED_STAGE_CHANGED": slots.add_change,
            "SEED_GATE_EVALUATED": slots.add_gate,
            "SEED_FOSSILIZED": slots.add_fossil,
            "SEED_PRUNED": slots.add_pruning,
            "EPOCH_COMPLETED": self._add_epoch,
            "LOOP_EPOCH_COMPLETED": self._add_epoch,
            "RUN_FINISHED": self._add_finish,
            "METRICS_LOGGED": self._add_metrics,
            "GOVERNOR_SNAPSHOT": self._add_snapshot,
            "SYSTEM_SAMPLED": self._add_sample,
            "HUB_STATS": self._add_newest,
            "SINK_STARTED": self._add_sink,
            "SINK_STATS": self._add_sink,
            "SINK_FAILED": self._add_sink,
        }

    def find_handler(self, event: str) -> Handler:
        """Return the method that takes events of a kind; `note` must be called for them, too."""
        return self.handlers.get(event, self._keep)

    def note(self, event: str, count: int, first: Envelope, last: Envelope) -> None:
        """Count events of a kind that followed each other, of which `first` and `last` are given."""
        if not self.counts:
            self.run_id, self.first_ns = first.run, first.t_wall_ns
        self.counts[event] = self.counts.get(event, 0) + count
        self.last_ns = last.t_wall_ns

    @property
    def describes_the_run(self) -> bool:
        """Whether the process has emitted events of the run as a whole, such as its start."""
        return any(event in self.counts for event in OF_THE_RUN)

    @property
    def goes_on(self) -> bool:
        """Whether the process has emitted an event after which an earlier end was not the last."""
        return any(event in self.counts for event in GOES_ON)

    def _keep(self, envelope: Envelope, payload: Any) -> None:
        """Keep an event whole."""
        name = envelope.event
        kept = self.kept.get(name)
        if kept is None:
            kept = self.kept[name] = FirstAndNewest()
        kept.add((envelope, payload))
        if name in GOES_ON:
            self.finished = None
        step = _step(payload, name)
        if step is not None:
            self.slots.step = step

    def _add_epoch(self, envelope: Envelope, payload: Any) -> None:
        self.finished = None
        self.epochs.add((envelope, payload))
        self.curves.add_epoch(envelope, payload)
        env_id = -1 if payload.env_id is None else payload.env_id
        self.slots.add_statuses(envelope, env_id, payload.seeds)
        if payload.severity is not None:
            self.severity = payload.severity
            name = payload.severity.name
            self.verdicts[name] = self.verdicts.get(name, 0) + 1
        epoch, end = envelope.epoch or 0, self.epoch_end
        if end is None or epoch > end[0]:
            if end is not None and epoch == end[0] + 1 and envelope.t_wall_ns > end[1]:
                self.durations.append((envelope.t_wall_ns - end[1]) / 1e9)
            elif payload.duration_s is not None:
                self.durations.append(payload.duration_s)
            self.epoch_end = epoch, envelope.t_wall_ns

    def _add_finish(self, envelope: Envelope, payload: Any) -> None:
        self.finished = (envelope, payload)

    def _add_metrics(self, envelope: Envelope, payload: MetricsLoggedPayload) -> None:
        self.num_left_out += payload.num_left_out or 0
        self.last_metrics_step = payload.step
        if payload.step is not None:
            self.slots.step = payload.step
        newest = self.newest_metrics
        for name, value in (payload.metrics or {}).items():
            if name in newest or len(newest) < MAX_METRICS:
                newest[name] = value
        self.curves.add_metrics(envelope, payload)

    def _add_snapshot(self, envelope: Envelope, payload: Any) -> None:
        self._keep(envelope, payload)
        if payload.num_bytes is not None:
            self.snapshot_bytes.add(payload.step or 0, payload.num_bytes)

    def _add_sample(self, envelope: Envelope, payload: Any) -> None:
        self._add_newest(envelope, payload)
        self.curves.add_sample(envelope, payload)

    def _add_newest(self, envelope: Envelope, payload: Any) -> None:
        self.newest[envelope.event, ""] = (envelope, payload)

    def _add_sink(self, envelope: Envelope, payload: Any) -> None:
        sink = payload.sink or "?"
        self.newest[envelope.event, sink] = (envelope, payload)
        if envelope.event == "SINK_FAILED":
            self.num_sink_failures[sink] = self.num_sink_failures.get(sink, 0) + 1


def _step(payload: Any, event: str) -> int | None:
    """Return the step that an event of the governor names; None if it names none."""
    step: int | None = None
    if event == "GOVERNOR_ROLLBACK":
        step = payload.to_step
    elif event in _WITH_STEP:
        step = payload.step
    return step
