"""Carries the events of a run log to one sink: reads, selects, writes, commits, and tries again after a failure."""

from __future__ import annotations

import copy
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import final

from esper._generated.telemetry import emit_sink_failed, emit_sink_started, emit_sink_stats
from esper.leyline.channel import TelemetryChannel
from esper.leyline.errors import EsperError
from esper.leyline.text import describe_exception, encodable, shorten
from esper.nissa.reader import LoggedEvent
from esper.nissa.run_edges import is_running
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.follower import LogFollower
from esper.nissa.shipping.log_sink import LogSink, ShippedRun
from esper.nissa.shipping.progress_file import Progress, ProgressFile
from esper.nissa.shipping.selection import Selection
from esper.version import VERSION

_LOOK_INTERVAL_S = 1.0
"""Seconds between two looks at whether the run goes on."""
_MAX_MESSAGE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkCounts:
    """How far a sink is; a source of SINK_STATS."""

    sink: str
    num_written: int
    num_left_out: int
    num_damaged: int
    num_failures: int
    num_kills: int
    num_bytes: int
    waiting_bytes: int
    lag_s: float
    is_finished: bool


@final
class Carrier:
    """Carries one run to one sink, in the process that is for this sink alone."""

    def __init__(
        self,
        run: ShippedRun,
        label: str,
        sink_class: type[LogSink],
        config: ShipConfig,
        *,
        channel: TelemetryChannel,
        follow: bool,
        num_kills: int = 0,
        beat: Callable[[SinkCounts], None] = lambda counts: None,
        stop: threading.Event | None = None,
    ) -> None:
        """Prepare to carry `run` to a sink of `sink_class`.

        Args:
            run: the run, with the argument of the sink.
            label: name of the sink's folder, and of the sink in events.
            sink_class: makes the sink, and a new one after each failure.
            config: settings of the sink.
            channel: where SINK_STARTED, SINK_STATS and SINK_FAILED are emitted.
            follow: whether to wait for further events while the run goes on.
            num_kills: times that earlier processes were killed because they made no progress, or ended by themselves.
            beat: called whenever the carrier makes progress or waits.
            stop: set by another thread to end after the next commit.
        """
        self._run = run
        self._label = label
        self._sink_class = sink_class
        self._config = config
        self._channel = channel
        self._follow = follow
        self._num_kills = num_kills
        self._beat = beat
        self._stop = stop or threading.Event()
        self._file = ProgressFile(run.folder, label)
        self._progress = Progress()
        self._after = Progress()
        self._is_uncommitted = False
        self._waiting_bytes = 0
        self._oldest_waiting_ns = 0
        self._is_finished = False
        self._failures_in_a_row = 0
        self._stats_at = 0.0
        self._looked_at = -_LOOK_INTERVAL_S
        self._was_running = False

    @property
    def counts(self) -> SinkCounts:
        """How far the sink is."""
        progress = self._progress
        oldest_ns = self._oldest_waiting_ns or progress.newest_ns
        has_all = not self._waiting_bytes or not oldest_ns
        return SinkCounts(
            sink=self._label,
            num_written=progress.num_written,
            num_left_out=progress.num_left_out,
            num_damaged=progress.position.num_damaged,
            num_failures=progress.num_failures,
            num_kills=self._num_kills,
            num_bytes=progress.position.num_bytes,
            waiting_bytes=self._waiting_bytes,
            lag_s=0.0 if has_all else max(0.0, (time.time_ns() - oldest_ns) / 1e9),
            is_finished=self._is_finished,
        )

    def carry(self) -> bool:
        """Carry the log to the sink until the run has ended, or everything is carried if it is not followed.

        Returns False if it was stopped, or has failed too often, before.

        Raises:
            EsperError: the user must correct something first.
        """
        try:
            return self._carry()
        finally:
            self._file.release()

    def _carry(self) -> bool:
        self._progress = self._file.load()
        emit_sink_started(
            self._channel,
            self._config,
            sink=self._label,
            resumption=self._sink_class.RESUMPTION,
            run_id=self._run.run_id,
            from_event=self._progress.position.num_events,
            esper_version=VERSION,
        )
        self._beat(self.counts)
        while not self._is_finished and not self._stop.is_set():
            try:
                self._attempt()
            except EsperError as error:
                self._report_failure(error, delay_s=0.0)
                raise
            # A sink may raise anything, SystemExit too; it is opened again, and the exception is in the log.
            except BaseException as error:
                delay_s = self._next_delay()
                self._report_failure(error, delay_s=delay_s)
                is_last = self._failures_in_a_row >= self._config.max_failures
                if is_last and not (self._follow and self._is_running()):
                    break
                self._wait(delay_s)
        self._beat(self.counts)
        self._emit_stats()
        return self._is_finished

    def _attempt(self) -> None:
        """Open a sink where the last commit was, and carry events to it."""
        self._file.hold()
        self._progress = self._file.load()
        sink = self._sink_class()
        follower = LogFollower(self._run.folder, copy.deepcopy(self._progress.position))
        try:
            follower.read(0)
            self._waiting_bytes = follower.waiting_bytes
            # Now, because a sink that hangs or ends the process at once would leave no counts.
            self._report()
            if follower.is_superseded:
                if sink.clear(self._run):
                    self._progress = Progress(num_failures=self._progress.num_failures)
                    self._file.save(self._progress)
                    follower = LogFollower(self._run.folder)
                else:
                    follower.accept()
            sink.open(self._run, self._progress.state)
            self._carry_to(sink, follower)
        except BaseException:
            with suppress(Exception):
                sink.close()
            raise
        sink.close()

    def _carry_to(self, sink: LogSink, follower: LogFollower) -> None:
        """Write and commit batches until there is nothing to wait for, or events that the sink has were replaced."""
        selection = Selection(self._config)
        self._after, self._is_uncommitted = copy.copy(self._progress), False
        committed_at = changed_at = time.monotonic()
        while not follower.is_superseded:
            # Asked before the log is read: what a process wrote before it ended is in the log then.
            is_running = self._follow and self._is_running()
            events = follower.read(self._config.batch_events)
            self._write(sink, selection, events)
            now = time.monotonic()
            if events:
                changed_at = now
            is_at_end = not events and not is_running and not follower.is_superseded
            if is_at_end and self._follow and not self._after.is_ended:
                is_at_end = now - changed_at >= self._config.end_grace_s
            is_last = is_at_end or self._stop.is_set()
            # After a failure at once, so that a sink that fails at every few writes gets on nevertheless.
            is_due = self._failures_in_a_row or (
                now - committed_at >= self._config.commit_interval_s
            )
            if is_last or is_due:
                self._commit(sink, follower)
                committed_at = time.monotonic()
            num_uncommitted = follower.position.num_bytes - self._progress.position.num_bytes
            self._waiting_bytes = follower.waiting_bytes + num_uncommitted
            self._report()
            if is_last:
                self._is_finished = is_at_end
                return
            if not events:
                self._stop.wait(self._config.poll_interval_s)

    def _write(self, sink: LogSink, selection: Selection, events: Sequence[LoggedEvent]) -> None:
        """Pass the events to the sink that are selected for it, and count them all."""
        if not events:
            return
        if not self._oldest_waiting_ns:
            self._oldest_waiting_ns = events[0][0].t_wall_ns
        selected = selection.select(events)
        if selected:
            self._is_uncommitted = True
            sink.write(selected)
        after = self._after
        after.num_written += len(selected)
        after.num_left_out += len(events) - len(selected)
        after.newest_ns = max(after.newest_ns, *(envelope.t_wall_ns for envelope, _ in events))
        after.is_ended |= any(envelope.event == "RUN_FINISHED" for envelope, _ in events)

    def _commit(self, sink: LogSink, follower: LogFollower) -> None:
        """Have the sink commit what it was given, and store that together with the position in the log."""
        if follower.position.num_bytes == self._progress.position.num_bytes:
            return
        if self._is_uncommitted:
            self._after.state = dict(sink.commit())
        self._after.num_failures = self._progress.num_failures
        self._after.position = copy.deepcopy(follower.position)
        self._file.save(self._after)
        self._progress, self._after = self._after, copy.copy(self._after)
        self._failures_in_a_row = self._oldest_waiting_ns = 0
        self._is_uncommitted = False

    def _report(self) -> None:
        self._beat(self.counts)
        if time.monotonic() >= self._stats_at:
            self._stats_at = time.monotonic() + self._config.stats_interval_s
            self._emit_stats()

    def _emit_stats(self) -> None:
        emit_sink_stats(self._channel, self.counts)

    def _report_failure(self, error: BaseException, *, delay_s: float) -> None:
        self._failures_in_a_row += 1
        self._progress.num_failures += 1
        # The disk may be the reason for the failure.
        with suppress(OSError):
            self._file.save(self._progress)
        emit_sink_failed(
            self._channel,
            sink=self._label,
            failures_in_a_row=self._failures_in_a_row,
            delay_s=delay_s,
            message=encodable(shorten(describe_exception(error), _MAX_MESSAGE)),
        )

    def _next_delay(self) -> float:
        """Return the seconds to wait after a failure: longer after each one, and a little different for each process."""
        delay_s = min(
            self._config.max_delay_s, self._config.first_delay_s * 2.0**self._failures_in_a_row
        )
        return delay_s * random.uniform(0.5, 1.0)

    def _wait(self, delay_s: float) -> None:
        end = time.monotonic() + delay_s
        while (left := end - time.monotonic()) > 0 and not self._stop.wait(min(left, 1.0)):
            self._beat(self.counts)

    def _is_running(self) -> bool:
        """Return whether a process writes the run, as of at most a second ago."""
        if time.monotonic() - self._looked_at >= _LOOK_INTERVAL_S:
            self._looked_at = time.monotonic()
            self._was_running = is_running(self._run.folder)
        return self._was_running
