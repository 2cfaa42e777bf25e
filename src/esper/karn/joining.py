"""Joins the events of the processes of a run to its story."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar, final

from esper._generated.records import Provenance
from esper.karn.curves import CurvesBuilder, build_curves
from esper.karn.log_story import MetricsStory, MissingInLog, UnknownInLog, WriterStory
from esper.karn.seed_joining import SlotsJoiner
from esper.karn.series import SeriesBuilder, build_series
from esper.karn.story import Event, GovernorStory, Progress, RunStory, SinkStory
from esper.karn.writer_fold import MAX_METRICS, OF_THE_RUN, WriterFold
from esper.nissa.reader import DamagedLine, Gap, LoggedEvent, RunEvents
from esper.nissa.writers import Writer

_FlawT = TypeVar("_FlawT", DamagedLine, Gap)

_STARTS: Final = ("RUN_STARTED", "LOOP_STARTED")


@final
class StoryJoiner:
    """Joins the processes of a run, in the order in which they are read."""

    def __init__(self, lead_rank: int) -> None:
        """Start without processes; `lead_rank` is the rank whose start, epochs and end are those of the run."""
        self._lead_rank = lead_rank
        self._folds: list[tuple[Writer, WriterFold]] = []
        self._slots = SlotsJoiner()

    def extend(self, writer: Writer, fold: WriterFold) -> None:
        """Add the events of another process."""
        self._folds.append((writer, fold))
        self._slots.extend(writer.rank, writer.boot, fold.slots, continues=writer.continues)

    def build(
        self,
        events: RunEvents,
        *,
        unknown: tuple[UnknownInLog, ...],
        tags: Mapping[str, str | None],
        is_alive: bool | None,
    ) -> RunStory:
        """Return the story; `events` is the iterated log, which knows its torn lines and gaps."""
        counts = self._counts()
        headers = self._headers()
        # The start of Esper's own loop describes more than that of another one.
        started = next((one for one in reversed(headers) if one.boot and _is_own(one)), None)
        started = started or (headers[-1] if headers else None)
        if started is not None:
            self._slots.add_slots(started.payload.env_id, started.payload.slot_ids)
        finished = self._finished()
        resumptions = self._all("RUN_RESUMED")
        governor = self._governor()
        curves = [(writer.rank, fold.curves) for writer, fold in self._folds]
        epochs = self._epochs()
        story_slots = self._slots.build()
        return RunStory(
            folder=events.folder,
            run_id=self._folds[-1][1].run_id,
            num_events=sum(counts.values()),
            started=None if started is None else started.payload,
            resumptions=resumptions,
            finished=None if finished is None else finished.payload,
            end=finished,
            epochs=epochs,
            last_epoch=max(fold.last_epoch for _, fold in self._folds),
            slots=story_slots,
            rejuvenations=self._all("HOST_REJUVENATED"),
            panics=governor.panics,
            cleared=governor.cleared,
            watched=governor.watched,
            rollbacks=governor.rollbacks,
            escalations=governor.escalations,
            stopped=governor.stopped,
            num_snapshots=counts.get("GOVERNOR_SNAPSHOT", 0),
            failed_snapshots=governor.failed_snapshots,
            num_skipped_steps=counts.get("GOVERNOR_STEP_SKIPPED", 0),
            metrics=self._metrics(),
            rejected=self._all("TELEMETRY_REJECTED"),
            torn=tuple(events.torn),
            damaged=_sort(events.damaged, events.writers),
            num_damaged=events.num_damaged,
            gaps=_sort(events.gaps, events.writers),
            num_gaps=events.num_gaps,
            unknown=unknown,
            num_set_aside=events.num_set_aside,
            overlaps=tuple(events.overlaps),
            other_files=tuple(events.other_files),
            num_superseded=events.num_superseded,
            headers=headers,
            provenance=_find_provenance(headers, resumptions),
            tags=tags,
            losses=build_curves(curves, "losses"),
            metric_series=build_curves(curves, "metric_series"),
            learning_rates=build_curves(curves, "learning_rates"),
            epoch_values=build_curves(curves, "epoch_values"),
            governor=governor,
            system=build_curves(curves, "system"),
            system_newest=self._newest("SYSTEM_SAMPLED"),
            hubs=self._newest("HUB_STATS"),
            sinks=self._sinks(),
            progress=self._progress(epochs, headers, resumptions, finished, is_alive),
            counts=counts,
            missing=tuple(
                MissingInLog(name=name, count=count)
                for name, count in sorted(events.missing.items())
            ),
            env_ids=self._env_ids(curves, counts),
            writers=tuple(_describe(writer, fold) for writer, fold in self._folds),
        )

    def _leads(self) -> Iterator[tuple[Writer, WriterFold]]:
        """Yield the processes of the rank whose start, epochs and end are those of the run."""
        return (one for one in self._folds if one[0].rank == self._lead_rank)

    def _counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for _, fold in self._folds:
            for event, count in fold.counts.items():
                counts[event] = counts.get(event, 0) + count
        return dict(sorted(counts.items()))

    def _all(self, event: str) -> tuple[Event[Any], ...]:
        """Return the events of a kind that are kept, process by process."""
        folds = self._leads() if event in OF_THE_RUN else iter(self._folds)
        return tuple(
            _locate(writer, one) for writer, fold in folds for one in fold.kept.get(event, ())
        )

    def _headers(self) -> tuple[Event[Any], ...]:
        """Return the starts of the run, in order."""
        return tuple(
            _locate(writer, one)
            for writer, fold in self._leads()
            for one in sorted(
                (item for event in _STARTS if event in fold.kept for item in fold.kept[event]),
                key=lambda item: item[0].seq,
            )
        )

    def _finished(self) -> Event[Any] | None:
        """Return the end of the run; None if it has not ended, or went on after it."""
        finished: Event[Any] | None = None
        for writer, fold in self._leads():
            if fold.goes_on:
                finished = None
            if fold.finished is not None:
                finished = _locate(writer, fold.finished)
        return finished

    def _epochs(self) -> tuple[Event[Any], ...]:
        """Return the completed epochs: those of Esper's own loop first."""
        events = [_locate(writer, one) for writer, fold in self._leads() for one in fold.epochs]
        own = [one for one in events if one.payload.EVENT == "EPOCH_COMPLETED"]
        return (*own, *(one for one in events if one.payload.EVENT != "EPOCH_COMPLETED"))

    def _newest(self, event: str) -> tuple[Event[Any], ...]:
        """Return the newest event of a kind of each process."""
        return tuple(
            _locate(writer, fold.newest[event, ""])
            for writer, fold in self._folds
            if (event, "") in fold.newest
        )

    def _governor(self) -> GovernorStory:
        verdicts: dict[str, int] = {}
        severity = None
        for _, fold in self._leads():
            severity = severity if fold.severity is None else fold.severity
            for name, count in fold.verdicts.items():
                verdicts[name] = verdicts.get(name, 0) + count
        stopped = self._all("GOVERNOR_STOPPED")
        return GovernorStory(
            verdicts=verdicts,
            newest_verdict=severity,
            panics=self._all("GOVERNOR_PANIC"),
            cleared=self._all("GOVERNOR_CLEARED"),
            watched=self._all("GOVERNOR_WATCHED"),
            rollbacks=self._all("GOVERNOR_ROLLBACK"),
            escalations=self._all("GOVERNOR_ESCALATED"),
            recoveries=self._all("GOVERNOR_RECOVERED"),
            snapshots=self._all("GOVERNOR_SNAPSHOT"),
            failed_snapshots=self._all("GOVERNOR_SNAPSHOT_FAILED"),
            skipped_steps=self._all("GOVERNOR_STEP_SKIPPED"),
            stopped=stopped[-1] if stopped else None,
            snapshot_bytes=_snapshot_bytes([fold.snapshot_bytes for _, fold in self._folds]),
        )

    def _metrics(self) -> MetricsStory:
        newest: dict[str, float] = {}
        last_step = None
        for _, fold in self._folds:
            if "METRICS_LOGGED" in fold.counts:
                last_step = fold.last_metrics_step
            for name, value in fold.newest_metrics.items():
                if name in newest or len(newest) < MAX_METRICS:
                    newest[name] = value
        return MetricsStory(
            num_logged=sum(fold.counts.get("METRICS_LOGGED", 0) for _, fold in self._folds),
            num_left_out=sum(fold.num_left_out for _, fold in self._folds),
            last_step=last_step,
            newest=newest,
        )

    def _sinks(self) -> tuple[SinkStory, ...]:
        found: dict[str, dict[str, Event[Any]]] = {}
        failures: dict[str, int] = {}
        for writer, fold in self._folds:
            for (event, sink), one in fold.newest.items():
                if event.startswith("SINK_"):
                    found.setdefault(sink, {})[event] = _locate(writer, one)
            for sink, count in fold.num_sink_failures.items():
                failures[sink] = failures.get(sink, 0) + count
        return tuple(
            SinkStory(
                sink=sink,
                started=events.get("SINK_STARTED"),
                stats=events.get("SINK_STATS"),
                failure=events.get("SINK_FAILED"),
                num_failures=failures.get(sink, 0),
            )
            for sink, events in sorted(found.items())
        )

    def _progress(
        self,
        epochs: tuple[Event[Any], ...],
        headers: tuple[Event[Any], ...],
        resumptions: tuple[Event[Any], ...],
        finished: Event[Any] | None,
        is_alive: bool | None,
    ) -> Progress:
        first_ns = min(fold.first_ns for _, fold in self._folds)
        last_ns = max(fold.last_ns for _, fold in self._folds)
        planned = next((one.payload.epochs for one in (*resumptions[-1:], *headers[-1:])), None)
        epoch = max((one.epoch or 0 for one in epochs), default=0)
        if finished is not None and finished.payload.epochs_completed is not None:
            epoch = finished.payload.epochs_completed
        durations = [seconds for _, fold in self._leads() for seconds in fold.durations][-20:]
        left: float | None = None
        if finished is not None:
            left = 0.0
        elif durations and planned is not None and is_alive is not False:
            left = sorted(durations)[len(durations) // 2] * max(planned - epoch, 0)
        return Progress(
            epoch=epoch,
            epochs_planned=planned,
            seconds=(last_ns - first_ns) / 1e9 if last_ns > first_ns else None,
            seconds_left=left,
            first_event_ns=first_ns,
            last_event_ns=last_ns,
            is_alive=is_alive,
        )

    def _env_ids(
        self, curves: list[tuple[int, CurvesBuilder]], counts: Mapping[str, int]
    ) -> tuple[int, ...]:
        found = {slot[0] for _, fold in self._folds for slot in fold.slots.slots}
        found |= {
            curve.env_id
            for _, builder in curves
            for curve in builder.curves
            if curve.group != "system"
        }
        found |= {
            payload.env_id
            for _, fold in self._folds
            for kept in fold.kept.values()
            for _, payload in kept
            if "env_id" in payload.__slots__
        }
        return tuple(sorted(env_id for env_id in found if env_id is not None))


def _is_own(header: Event[Any]) -> bool:
    return bool(header.payload.EVENT == "RUN_STARTED")


def _locate(writer: Writer, event: LoggedEvent) -> Event[Any]:
    """Return an event with its place in the log."""
    envelope, payload = event
    return Event(
        epoch=envelope.epoch,
        payload=payload,
        t_wall_ns=envelope.t_wall_ns,
        rank=writer.rank,
        boot=writer.boot,
        seq=envelope.seq,
    )


def _sort(flaws: Iterable[_FlawT], writers: Iterable[Writer]) -> tuple[_FlawT, ...]:
    """Return damaged lines or gaps in the order in which a whole log is read; a live view finds them as they come."""
    segments = [segment.path for writer in writers for segment in writer.segments]
    places = {path: place for place, path in enumerate(segments)}
    return tuple(sorted(flaws, key=lambda one: (places.get(one.path, -1), one.line)))


def _find_provenance(
    headers: tuple[Event[Any], ...], resumptions: tuple[Event[Any], ...]
) -> Provenance | None:
    """Return the provenance of the newest process that wrote one."""
    for event in (*reversed(resumptions), *reversed(headers)):
        provenance: Provenance | None = event.payload.provenance
        if provenance is not None:
            return provenance
    return None


def _snapshot_bytes(builders: list[SeriesBuilder]) -> Any:
    if not any(builder.num_points for builder in builders):
        return None
    return build_series(
        builders, name="num_bytes", axis="step", event="GOVERNOR_SNAPSHOT", field="num_bytes"
    )


def _describe(writer: Writer, fold: WriterFold) -> WriterStory:
    return WriterStory(
        rank=writer.rank,
        boot=writer.boot,
        continues=writer.continues,
        num_events=sum(fold.counts.values()),
        first_ns=fold.first_ns,
        last_ns=fold.last_ns,
        files=tuple(segment.name for segment in writer.segments),
    )
