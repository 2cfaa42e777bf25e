"""Gives a grown network back."""

from pathlib import Path

from torch import nn

from esper.nissa.runs import resolve
from esper.tolaria.training.model_file import load_model


def load(run: str | Path, *, run_dir: str | Path = "runs", device: str = "cpu") -> nn.Module:
    """Return the network that `run` grew, on `device`, ready for inference.

    `run` is the run's folder, its id, or `latest`; ids are looked for in `run_dir`.

    Raises:
        RunNotFoundError: there is no such run.
        CheckpointError: the run holds no saved network, or a damaged one.
    """
    return load_model(resolve(str(run), Path(run_dir)), device=device)
