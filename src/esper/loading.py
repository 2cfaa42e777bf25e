"""Loads the network that a run has grown."""

from pathlib import Path

from torch import nn

from esper.nissa.runs import resolve
from esper.tolaria.training.model_file import load_model


def load(run: str | Path, *, run_dir: str | Path = "runs", device: str = "cpu") -> nn.Module:
    """Return the network that `run` has grown, on `device` and in evaluation mode.

    `run` is the run's folder, its id, the start of its id, or `latest`; ids are looked up in `run_dir`. If the run's task is
    your own, register it first: `register_task(task)`.

    Raises:
        RunNotFoundError: there is no such run, or several ids start with `run`.
        CheckpointError: the run has no saved network, the file is damaged, or the task is not registered.
    """
    return load_model(resolve(str(run), Path(run_dir)), device=device)
