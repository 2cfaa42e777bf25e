"""Connects a run of Esper's own training loop with its logs, sinks, shipping, and the monitor of the machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from esper.leyline.channel import TelemetryChannel
from esper.nissa.git_state import GitState
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.monitor import Monitor, check_interval
from esper.nissa.rewind import rewind
from esper.nissa.segments import LOG_FOLDER
from esper.nissa.shipping.launch import Shipping, prepare_shipping
from esper.nissa.sink import Sink, check_sinks

BASELINE_FOLDER = "baseline"
"""Folder in that of a run with the log of the host that is trained alone, which is a run of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOutlets:
    """The open logs of a run, and the channels that lead to them."""

    channel: TelemetryChannel
    log: RunLog
    monitor: Monitor
    baseline_channel: TelemetryChannel
    """For the host that is trained alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """Everything that receives or adds to the events of a run; made before the run's folder."""

    sinks: tuple[Sink, ...]
    baseline_sinks: tuple[Sink, ...]
    shipping: Shipping
    system_interval_s: float
    git: GitState

    @classmethod
    def prepare(
        cls,
        sinks: Iterable[Sink],
        baseline_sinks: Iterable[Sink],
        to: Iterable[str],
        ship_config: str | Path | None,
        system_interval_s: float | None,
    ) -> Outlets:
        """Check the arguments of a run, described at `run_task`, and start to ask git for the program's commit.

        Raises:
            UsageError: one of them cannot be used.
        """
        return cls(
            sinks=check_sinks(sinks),
            baseline_sinks=check_sinks(baseline_sinks),
            shipping=prepare_shipping(to, ship_config),
            system_interval_s=check_interval(system_interval_s),
            git=GitState(),
        )

    @contextmanager
    def open(self, folder: Path, *, first_seq: int, has_baseline: bool) -> Iterator[OpenOutlets]:
        """Open the logs of the run in `folder`, whose next event has the number `first_seq`, and close them at the end.

        Raises:
            LogError: a log cannot be written.
        """
        with (
            Hub(folder.name, first_seq=first_seq) as hub,
            Hub(f"{folder.name}-{BASELINE_FOLDER}") as baseline_hub,
        ):
            log = hub.attach(RunLog(folder))
            self.shipping.start(folder)
            if has_baseline:
                baseline_hub.attach(_baseline_log(folder / BASELINE_FOLDER))
            for target, sinks in ((hub, self.sinks), (baseline_hub, self.baseline_sinks)):
                for sink in sinks:
                    target.attach(sink)
            channel = hub.channel(env_id=0)
            with Monitor(hub, log, channel, interval_s=self.system_interval_s) as monitor:
                yield OpenOutlets(
                    channel=channel,
                    log=log,
                    monitor=monitor,
                    baseline_channel=baseline_hub.channel(env_id=0),
                )


def _baseline_log(folder: Path) -> RunLog:
    """Return a log for the host alone, which each process that resumes the run trains from its start again."""
    if (folder / LOG_FOLDER).exists():
        rewind(folder, None)
    return RunLog(folder)
