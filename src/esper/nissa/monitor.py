"""Reports on the machine and on the hub while a run goes on, from a thread that training does not wait for."""

from __future__ import annotations

import math
import threading
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self, final

from esper._generated.system import emit_system_sampled
from esper._generated.telemetry import emit_hub_stats
from esper.leyline.arguments import real_number
from esper.leyline.channel import TelemetryChannel
from esper.leyline.errors import UsageError
from esper.nissa.hub import Hub
from esper.nissa.hub_counts import count_events
from esper.nissa.log import RunLog
from esper.nissa.stderr import warn
from esper.nissa.system_sampler import INSTALL, SystemSampler, can_sample

DEFAULT_INTERVAL_S = 5.0
"""Seconds between two samples of the machine if the user does not say otherwise and psutil is installed."""
HUB_INTERVAL_S = 60.0
"""Seconds between two reports of the hub."""
_MAX_INTERVAL_S = 86400.0
_JOIN_TIMEOUT_S = 1.0
"""Seconds that the end of a run waits for a sample that is being taken, for example of a disk that does not answer."""


def check_interval(interval_s: object) -> float:
    """Return the seconds between two samples of the machine; 0 means never.

    None stands for the default where psutil is installed, and for never elsewhere.

    Raises:
        UsageError: it is not a number, or out of range.
    """
    if interval_s is None:
        return DEFAULT_INTERVAL_S if can_sample() else 0.0
    seconds = real_number("`system_interval_s`", interval_s, error=UsageError)
    if not 0 <= seconds <= _MAX_INTERVAL_S:
        raise UsageError(
            f"`system_interval_s` must be from 0, for never, to {_MAX_INTERVAL_S:g}, got {seconds}"
        )
    if seconds and not can_sample():
        warn(f"processor, memory and disk are not sampled, because psutil is missing; {INSTALL}")
        return 0.0
    return seconds


@final
class Monitor:
    """Emits SYSTEM_SAMPLED and HUB_STATS into the log of a run while the `with` block goes on.

    Call `report` before the end of the run is reported: it stops the thread and emits the last HUB_STATS.
    """

    def __init__(
        self, hub: Hub, log: RunLog, channel: TelemetryChannel, *, interval_s: float
    ) -> None:
        """Report on `hub` and `log`, with the epochs of `channel`, and every `interval_s` seconds on the machine; 0: never."""
        self._hub = hub
        self._log = log
        self._training = channel
        self._channel = channel.bind(env_id=-1)
        self._stop = threading.Event()
        # The thread must not keep alive a hub to which nothing else refers any more.
        weakref.finalize(self, self._stop.set).atexit = False
        self._thread = threading.Thread(
            target=_watch,
            args=(weakref.ref(self), self._stop, log.run_folder, interval_s),
            name="esper-monitor",
            daemon=True,
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._end()

    def report(self) -> None:
        """Stop the thread and report on the hub; further calls do nothing."""
        if self._end():
            self._report_hub()

    def _end(self) -> bool:
        """Stop the thread; return whether it was to go on."""
        was_going_on = not self._stop.is_set()
        self._stop.set()
        self._thread.join(_JOIN_TIMEOUT_S)
        return was_going_on

    def _sample(self, sampler: SystemSampler) -> None:
        try:
            reading = sampler.read()
        except OSError:
            # Such as a system that hides its processes; the next sample may succeed.
            return
        # After the end of the run has been reported, nothing may follow it.
        if not self._stop.is_set():
            self._follow_epoch()
            emit_system_sampled(self._channel, reading)

    def _report_hub(self) -> None:
        self._follow_epoch()
        emit_hub_stats(self._channel, count_events(self._hub, self._log))

    def _follow_epoch(self) -> None:
        self._channel.advance(epoch=self._training.context.epoch)


def _watch(
    monitor: weakref.ref[Monitor], stop: threading.Event, folder: Path, interval_s: float
) -> None:
    """Have the monitor report until it is stopped or gone."""
    try:
        sampler = SystemSampler(folder) if interval_s else None
    except OSError as error:
        warn(f"processor, memory and disk are not sampled ({error})")
        sampler = None
    started = time.monotonic()
    sample_at = math.inf if sampler is None else started + interval_s
    report_at = started + HUB_INTERVAL_S
    while not stop.wait(max(0.0, min(sample_at, report_at) - time.monotonic())):
        present = monitor()
        if present is None:
            return
        now = time.monotonic()
        if sampler is not None and now >= sample_at:
            sample_at = now + interval_s
            present._sample(sampler)
        if now >= report_at and not stop.is_set():
            report_at = now + HUB_INTERVAL_S
            present._report_hub()
        del present
