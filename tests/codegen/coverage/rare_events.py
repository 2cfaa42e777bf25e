"""Writes a log with the events that a healthy run does not emit: `rare_events.py RUN_DIR`.

Coverage needs every event of the contract in the logs of test runs. The logs of `esper train` lack events about
an invalid event, about weights that cannot be saved, about a fault that never ends, and about the user's own loop.
"""

import sys
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from esper._generated.enums import Resumption, SkipCause
from esper._generated.governor import emit_governor_step_skipped
from esper.leyline.errors import SnapshotError
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.runs import create_run
from esper.nissa.shipping.carrier import Carrier
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.log_sink import LogSink, ShippedRun
from esper.own_run import start_run
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.escalation import EscalationConfig


def main(run_dir):
    """Emit these events into the log of a new run."""
    log_own_loop(run_dir)
    folder = create_run(Path(run_dir), task="rare-events", seed=0)
    with Hub(folder.name) as hub:
        hub.attach(RunLog(folder))
        channel = hub.channel(env_id=0)
        break_contract(channel)
        lose_snapshot(channel)
        never_recover(channel)
        only_watch(channel)
        clear_suspicion(channel)
        ship(channel)


def log_own_loop(run_dir):
    with start_run(run_dir, epochs=2, model=nn.Linear(2, 2), max_logs_per_s=1e-3) as run:
        for step in range(3):
            run.log(step=step, loss=0.5)
        run.epoch(1, train_loss=0.5, val_loss=0.25, val_accuracy=90.0)


def break_contract(channel):
    emit_governor_step_skipped(
        channel, cause=SkipCause.DATA, step=-1, loss=0.1, grad_norm=None, skips_in_a_row=1
    )


def lose_snapshot(channel):
    model = nn.Linear(2, 2)
    governor = TolariaGovernor(model, channel=channel)
    governor.snapshot()
    with torch.no_grad():
        model.weight.fill_(nan)
    try:
        governor.snapshot()
    except SnapshotError:
        return
    raise AssertionError("weights that are not finite must not be saved")


def never_recover(channel):
    config = GovernorConfig(escalation=EscalationConfig(budget=2))
    governor = TolariaGovernor(nn.Linear(2, 2), channel=channel, config=config)
    healthy = [1.0 + 0.01 * (step % 7) for step in range(50)]
    for loss in [*healthy, *[100.0] * 3, *[nan] * 500]:
        governor.before_step(loss, grad_norm=1.0)
        governor.after_step()
    assert governor.stop_report is not None


def only_watch(channel):
    config = GovernorConfig(mode="watch")
    governor = TolariaGovernor(nn.Linear(2, 2), channel=channel, config=config)
    for loss in [1.0, nan, 1.0]:
        governor.before_step(loss)
        governor.after_step()
    assert governor.watch_report.actions


def clear_suspicion(channel):
    losses = [1.0 + 0.01 * (step % 7) for step in range(50)]
    governor = TolariaGovernor(nn.Linear(2, 2), channel=channel, probe=lambda batch: batch)
    for loss in [*losses, *[100.0] * 10]:
        governor.before_step(loss, batch=loss)
        governor.after_step()
    assert governor.last_rollback is None


def ship(channel):
    """Carry the log to a sink that is away at first; the events are normally in a log of the sink's own."""

    class AwayAtFirst(LogSink):
        RESUMPTION = Resumption.AT_LEAST_ONCE
        is_away = True

        def open(self, run, state):
            was_away, AwayAtFirst.is_away = AwayAtFirst.is_away, False
            if was_away:
                raise ConnectionError("made up")

        def write(self, events):
            pass

        def commit(self):
            return {}

        def close(self):
            pass

    with TemporaryDirectory() as folder:
        with Hub("run") as hub:
            hub.attach(RunLog(Path(folder)))
            break_contract(hub.channel(env_id=0))
        run = ShippedRun(run_id="run", folder=Path(folder))
        config = ShipConfig(first_delay_s=0.0, exclude=("GOVERNOR_*",), sample={"SEED_*": 0.5})
        Carrier(run, "away", AwayAtFirst, config, channel=channel, follow=False).carry()


if __name__ == "__main__":
    main(sys.argv[1])
