"""How far each sink of a run is, from the logs that the shipping processes write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esper._generated.telemetry import SinkFailedPayload, SinkStartedPayload, SinkStatsPayload
from esper.leyline.errors import RunNotFoundError
from esper.leyline.text import pluralize
from esper.nissa.reader import read_run
from esper.nissa.run_edges import is_running
from esper.nissa.shipping.progress_file import SHIP_FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStatus:
    """What the log of a sink's processes says."""

    started: SinkStartedPayload
    """Its newest header, with the settings."""
    stats: SinkStatsPayload | None
    """Its newest counts; None if there are none yet."""
    failure: SinkFailedPayload | None
    """Its newest failure; None if it has never failed."""
    is_active: bool
    """Whether a process carries events to it now."""

    @property
    def is_finished(self) -> bool:
        """Whether the sink had all events of the log when it was last looked at."""
        return self.stats is not None and self.stats.is_finished

    def as_dict(self) -> dict[str, Any]:
        """Return the status as plain values."""
        started, stats, failure = self.started, self.stats, self.failure
        settings = {
            "events": list(started.events),
            "exclude": list(started.excluded),
            "min_level": started.min_level,
            "sample": dict(started.samples),
            "reveal": list(started.revealed),
            "batch_events": started.batch_events,
            "commit_interval_s": started.commit_interval_s,
            "first_delay_s": started.first_delay_s,
            "max_delay_s": started.max_delay_s,
            "max_failures": started.max_failures,
            "hang_timeout_s": started.hang_timeout_s,
        }
        return {
            "sink": started.sink,
            "resumption": started.resumption.name,
            "settings": settings,
            "is_active": self.is_active,
            "is_finished": self.is_finished,
            "written": stats.num_written if stats else None,
            "left_out": stats.num_left_out if stats else None,
            "damaged": stats.num_damaged if stats else None,
            "failures": stats.num_failures if stats else None,
            "kills": stats.num_kills if stats else None,
            "bytes": stats.num_bytes if stats else None,
            "waiting_bytes": stats.waiting_bytes if stats else None,
            "lag_s": stats.lag_s if stats else None,
            "last_failure": failure.message if failure else None,
        }

    def as_line(self) -> str:
        """Return the status as one line of text."""
        stats = self.stats
        if stats is None:
            return f"{self.started.sink}: started, nothing committed yet"
        state = (
            "has the whole log" if stats.is_finished else "active" if self.is_active else "stopped"
        )
        words = [f"{self.started.sink}: {state}", f"{stats.num_written:,} written"]
        if not stats.is_finished:
            words += [f"{stats.waiting_bytes:,} bytes waiting", f"lag {stats.lag_s:.1f} s"]
        if stats.num_failures:
            words.append(pluralize(stats.num_failures, "failure"))
        if stats.num_kills:
            words.append(pluralize(stats.num_kills, "kill"))
        if self.failure is not None and not stats.is_finished:
            words.append(f"last failure: {self.failure.message}")
        return ", ".join(words)


def read_status(run_folder: Path) -> list[SinkStatus]:
    """Return the status of each sink that the run in `run_folder` was shipped to, by name.

    Raises:
        LogError: the log of a sink cannot be read.
    """
    folder = run_folder / SHIP_FOLDER
    if not folder.is_dir():
        return []
    found = (_read(path) for path in sorted(folder.iterdir()) if path.is_dir())
    return [status for status in found if status is not None]


def _read(folder: Path) -> SinkStatus | None:
    started: SinkStartedPayload | None = None
    stats: SinkStatsPayload | None = None
    failure: SinkFailedPayload | None = None
    try:
        for _, payload in read_run(folder):
            match payload:
                case SinkStartedPayload():
                    started = payload
                case SinkStatsPayload():
                    stats = payload
                case SinkFailedPayload():
                    failure = payload
    except RunNotFoundError:
        return None
    if started is None:
        return None
    return SinkStatus(started=started, stats=stats, failure=failure, is_active=is_running(folder))
