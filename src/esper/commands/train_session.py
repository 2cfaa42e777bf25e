"""One training session: joins the rooms, trains or goes on training, prints the summary."""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from esper._generated.enums import RunOutcome
from esper.commands.run_lock import lock_run
from esper.commands.settings import RunSettings, load_settings, save_settings
from esper.commands.stop_request import StopRequest
from esper.commands.train_settings import (
    new_settings,
    resumed_settings,
    train_config,
)
from esper.karn.run import read_story
from esper.karn.summary import render
from esper.leyline.errors import UsageError
from esper.nissa.hub import Hub
from esper.nissa.log import LogPosition, RunLog
from esper.nissa.rewind import rewind
from esper.nissa.runs import create_run, resolve
from esper.nissa.sinks.progress import ProgressSink
from esper.tamiyo.heuristic import HeuristicPolicy
from esper.tolaria.tasks.registry import get_task
from esper.tolaria.training.checkpoint import Checkpoints
from esper.tolaria.training.run import Resumption, run_task

_EXIT_CODES = {
    RunOutcome.COMPLETED: 0,
    RunOutcome.STOPPED: 3,
    # As a shell reports a process that Ctrl-C has ended.
    RunOutcome.INTERRUPTED: 130,
}


def train(options: argparse.Namespace) -> int:
    """Train, print the summary, and return the exit code."""
    console = Console()
    if options.resume is None:
        settings = new_settings(options)
        # Before the run's folder is made: a missing extra must not leave an empty one behind.
        get_task(settings.task).load_samples()
        folder = _create_folder(options.run_dir, settings)
    else:
        folder = resolve(options.resume, options.run_dir)
        settings = resumed_settings(options, load_settings(folder))
    with lock_run(folder):
        save_settings(settings, folder)
        resumption = None if options.resume is None else _rewind(folder, settings, console)
        outcome = _train(settings, folder, resumption, console)
    render(read_story(folder), console)
    if outcome is RunOutcome.INTERRUPTED:
        console.print(f"To go on: esper train --resume {folder.name}", highlight=False)
    return _EXIT_CODES[outcome]


def _train(
    settings: RunSettings, folder: Path, resumption: Resumption | None, console: Console
) -> RunOutcome:
    task = get_task(settings.task)
    first_seq = 0 if resumption is None else resumption.next_seq
    with (
        StopRequest(console) as stop,
        Hub(folder.name, first_seq=first_seq) as hub,
        Hub(folder.name) as baseline_hub,
    ):
        log = hub.attach(RunLog(folder))
        hub.attach(ProgressSink(console, epochs=settings.epochs, title="growing"))
        baseline_hub.attach(ProgressSink(console, epochs=settings.epochs, title="host alone"))
        result = run_task(
            task,
            train_config(settings),
            task.load_samples(),
            policy=HeuristicPolicy(),
            folder=folder,
            channel=hub.channel(env_id=0),
            baseline_channel=baseline_hub.channel(env_id=0) if settings.has_baseline else None,
            checkpoints=Checkpoints(folder, keep=settings.num_checkpoints),
            place_in_log=lambda: _place(log),
            resumption=resumption,
            should_stop=stop.is_made,
        )
    return result.outcome


def _place(log: RunLog) -> Mapping[str, Any]:
    """Return where the log is, once everything before it is on the disk."""
    log.sync()
    position = log.position
    assert position is not None
    return dataclasses.asdict(position)


def _rewind(folder: Path, settings: RunSettings, console: Console) -> Resumption:
    """Take the run back to its newest checkpoint and say from where it goes on.

    Raises:
        UsageError: there is nothing left to train.
    """
    content, damaged = Checkpoints(folder).load_newest(device=settings.device)
    for error in damaged:
        console.print(f"left out: {error}", highlight=False, soft_wrap=True)
    if content is None:
        console.print(f"{folder.name} has no checkpoint yet; it starts over.", highlight=False)
        return Resumption(state=None, next_seq=0, superseded_events=rewind(folder, None))
    completed = content["trainer"]["epochs_completed"]
    if completed >= settings.epochs and _is_finished(folder):
        raise UsageError(
            f"a run is resumed to train on, got {folder.name}, which has all of its {completed} epochs"
            f" behind it; try --epochs {2 * completed}"
        )
    position = LogPosition(**content["log"])
    superseded_events = rewind(folder, position)
    console.print(f"{folder.name} goes on after epoch {completed}.", highlight=False)
    return Resumption(
        state=content["trainer"], next_seq=position.next_seq, superseded_events=superseded_events
    )


def _is_finished(folder: Path) -> bool:
    return read_story(folder).outcome is RunOutcome.COMPLETED


def _create_folder(run_dir: Path, settings: RunSettings) -> Path:
    try:
        return create_run(run_dir, task=settings.task, seed=settings.seed)
    except OSError as error:
        raise UsageError(
            f"--run-dir must be a folder that can be written, got {run_dir} ({error.strerror});"
            " name another one"
        ) from error
