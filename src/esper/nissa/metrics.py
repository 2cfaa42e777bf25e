"""Emits the metrics of the user's own training loop, at a limited rate."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import final

from esper._generated.run import emit_metrics_logged
from esper.leyline.arguments import real_number
from esper.leyline.channel import TelemetryChannel
from esper.leyline.errors import UsageError

_MAX_SERIES = 256
"""Sets of names whose rates are tracked; a loop that makes up a new name at each step must not use up the memory."""


def check_rate(max_logs_per_s: object) -> float | None:
    """Return the most logs a second as a float; None stays None.

    Raises:
        UsageError: it is not a number above 0.
    """
    if max_logs_per_s is None:
        return None
    rate = real_number("max_logs_per_s", max_logs_per_s, error=UsageError)
    if not rate > 0:
        raise UsageError(f"max_logs_per_s must be above 0, got {rate}; None writes all")
    return rate


@dataclass(slots=True)
class _Series:
    """The metrics that were logged under one set of names."""

    last_emitted: float
    """Time of the newest METRICS_LOGGED, by the monotonic clock."""
    left_out: int = 0
    """Values that were left out since then."""
    newest: tuple[int | None, dict[str, float]] | None = None
    """Step and values of the newest of them."""


@final
class MetricsLogger:
    """Emits METRICS_LOGGED on a channel, at most so many a second for each set of names.

    The first values under a set of names are emitted, and after that those that come at least 1 / `max_per_s` seconds
    after the last ones that were emitted. Others are left out and counted: the next event under the same names has their
    number. `flush` emits the newest values of those left out, so the last values before it are always kept.
    """

    def __init__(self, channel: TelemetryChannel, *, max_per_s: float | None) -> None:
        """Emit on `channel`; with `max_per_s` None, everything."""
        self._channel = channel
        self._interval_s = 0.0 if max_per_s is None else 1.0 / max_per_s
        self._series: dict[frozenset[str], _Series] = {}
        # Reentrant, because a signal handler may log while its own thread is logging.
        self._lock = threading.RLock()

    def log(self, metrics: dict[str, float], *, step: int | None) -> None:
        """Emit `metrics` of `step`, or leave them out if the last ones under these names are too recent."""
        names = frozenset(metrics)
        now = time.monotonic()
        with self._lock:
            series = self._series.get(names)
            if series is not None and now < series.last_emitted + self._interval_s:
                series.left_out += 1
                series.newest = (step, metrics)
                return
            if series is None and len(self._series) == _MAX_SERIES:
                self.flush()
                self._series.clear()
            self._series[names] = _Series(now)
            num_left_out = 0 if series is None else series.left_out
            emit_metrics_logged(
                self._channel, step=step, metrics=metrics, num_left_out=num_left_out
            )

    def flush(self) -> None:
        """Emit the newest values under each set of names, if they were left out."""
        with self._lock:
            for series in self._series.values():
                if series.newest is None:
                    continue
                step, metrics = series.newest
                num_left_out = series.left_out - 1
                series.newest, series.left_out = None, 0
                emit_metrics_logged(
                    self._channel, step=step, metrics=metrics, num_left_out=num_left_out
                )
