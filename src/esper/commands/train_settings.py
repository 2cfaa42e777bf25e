"""From the arguments of `esper train` to the settings of a run, every mistake said with its remedy."""

import argparse

import torch

from esper.commands.settings import RunSettings
from esper.leyline.errors import UsageError
from esper.tolaria.tasks.registry import get_task
from esper.tolaria.training.config import TrainConfig
from esper.tolaria.training.faults import parse_fault

_ONLY_AT_START = ("task", "seed", "detector", "inject_fault", "no_baseline", "keep_checkpoints")


def new_settings(options: argparse.Namespace) -> RunSettings:
    """Return the settings of a new run; what the user does not say is the task's or our default.

    Raises:
        UsageError: an argument cannot be used.
    """
    task = get_task("digits" if options.task is None else options.task)
    epochs = _at_least("--epochs", options.epochs, 1, default=task.epochs)
    _check_faults(options.inject_fault or [], epochs)
    return RunSettings(
        task=task.name,
        epochs=epochs,
        seed=_at_least("--seed", options.seed, 0, default=0),
        device=_usable_device("cpu" if options.device is None else options.device),
        detector=options.detector or "robust",
        faults=tuple(options.inject_fault or []),
        has_baseline=not options.no_baseline,
        num_checkpoints=_at_least("--keep-checkpoints", options.keep_checkpoints, 1, default=2),
    )


def resumed_settings(options: argparse.Namespace, saved: RunSettings) -> RunSettings:
    """Return the settings with which a run goes on: those it began with, but for its length and its device.

    Raises:
        UsageError: an argument cannot be used, or belongs to the start of a run.
    """
    for name in _ONLY_AT_START:
        if getattr(options, name):
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"{option} is decided when a run starts, got it with --resume; leave it out"
            )
    epochs = _at_least("--epochs", options.epochs, 1, default=saved.epochs)
    if epochs < saved.epochs:
        raise UsageError(
            f"--epochs may only be raised on resume, got {epochs} after {saved.epochs}; start another run"
        )
    return RunSettings(
        task=saved.task,
        epochs=epochs,
        seed=saved.seed,
        device=_usable_device(saved.device if options.device is None else options.device),
        detector=saved.detector,
        faults=saved.faults,
        has_baseline=saved.has_baseline,
        num_checkpoints=saved.num_checkpoints,
    )


def train_config(settings: RunSettings) -> TrainConfig:
    """Return what the trainer has to know."""
    return TrainConfig(
        epochs=settings.epochs,
        seed=settings.seed,
        device=settings.device,
        detector=settings.detector,
        faults=tuple(parse_fault(text) for text in settings.faults),
    )


def _at_least(option: str, value: int | None, minimum: int, *, default: int) -> int:
    if value is None:
        return default
    if value < minimum:
        raise UsageError(f"{option} must be at least {minimum}, got {value}")
    return value


def _check_faults(texts: list[str], epochs: int) -> None:
    for fault in map(parse_fault, texts):
        if fault.epoch > epochs:
            raise UsageError(
                f"a fault must lie within the run, got {fault.kind}@{fault.epoch}, which lies"
                f" beyond the {epochs} epochs; try --epochs {fault.epoch}"
            )


def _usable_device(name: str) -> str:
    """Return `name` if tensors can live there."""
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f'--device must be usable here, got "{name}" ({reason}); try cpu'
        ) from None
    return name
