"""One training session: checks the arguments, joins the rooms, trains, prints the summary."""

import argparse
import signal
import types
from pathlib import Path

import torch
from rich.console import Console

from esper.karn.run import read_story
from esper.karn.summary import render
from esper.leyline.errors import UsageError
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.runs import create_run
from esper.nissa.sinks.progress import ProgressSink
from esper.tamiyo.heuristic import HeuristicPolicy
from esper.tolaria.faults import Fault, parse_fault
from esper.tolaria.run import run_task
from esper.tolaria.tasks.registry import get_task
from esper.tolaria.trainer import TrainConfig


def train(options: argparse.Namespace) -> int:
    """Train, print the summary, and return the exit code."""
    task = get_task(options.task)
    epochs = task.epochs if options.epochs is None else _at_least("--epochs", options.epochs, 1)
    config = TrainConfig(
        epochs=epochs,
        seed=_at_least("--seed", options.seed, 0),
        device=_usable_device(options.device),
        faults=_faults(options.inject_fault, epochs),
    )
    samples = task.load_samples()
    folder = _create_folder(options.run_dir, config.seed, task.name)
    console = Console()
    stop = _StopRequest(console)
    with stop, Hub(folder.name) as hub, Hub(folder.name) as baseline_hub:
        hub.attach(RunLog(folder))
        hub.attach(ProgressSink(console, epochs=epochs, title="growing"))
        baseline_hub.attach(ProgressSink(console, epochs=epochs, title="host alone"))
        run_task(
            task,
            config,
            samples,
            policy=HeuristicPolicy(),
            folder=folder,
            channel=hub.channel(env_id=0),
            baseline_channel=None if options.no_baseline else baseline_hub.channel(env_id=0),
            should_stop=stop.is_requested,
        )
    render(read_story(folder), console)
    return 0


class _StopRequest:
    """Turns the first Ctrl-C into a request to end in order; the second one ends at once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_requested = False

    def is_requested(self) -> bool:
        """Return whether the user wants the run to end."""
        return self._is_requested

    def __enter__(self) -> None:
        self._previous = signal.signal(signal.SIGINT, self._handle)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _handle(self, _number: int, _frame: types.FrameType | None) -> None:
        if self._is_requested:
            raise KeyboardInterrupt
        self._is_requested = True
        self._console.print("Ending the run in order; Ctrl-C again ends it at once.")


def _at_least(option: str, value: int, minimum: int) -> int:
    if value < minimum:
        raise UsageError(f"{option} must be at least {minimum}, got {value}")
    return value


def _faults(texts: list[str], epochs: int) -> tuple[Fault, ...]:
    faults = tuple(parse_fault(text) for text in texts)
    for fault in faults:
        if fault.epoch > epochs:
            raise UsageError(
                f"a fault must lie within the run, got {fault.kind}@{fault.epoch}, which lies"
                f" beyond the {epochs} epochs; try --epochs {fault.epoch}"
            )
    return faults


def _create_folder(run_dir: Path, seed: int, task: str) -> Path:
    try:
        return create_run(run_dir, task=task, seed=seed)
    except OSError as error:
        raise UsageError(
            f"--run-dir must be a folder that can be written, got {run_dir} ({error.strerror});"
            " name another one"
        ) from error


def _usable_device(name: str) -> str:
    """Return `name` if tensors can live there.

    Raises:
        UsageError: they cannot.
    """
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f'--device must be usable here, got "{name}" ({reason}); try cpu'
        ) from None
    return name
