"""The grown network on disk: plain values that load without running code from the file."""

from pathlib import Path

import torch
from torch import nn

from esper.leyline.atomic import write_atomically
from esper.leyline.errors import CheckpointError
from esper.tolaria.tasks.registry import get_task
from esper.tolaria.training.plain_file import expect_format, read_plain

FORMAT = 1
FILE_NAME = "model.pt"


def save_model(model: nn.Module, folder: Path, *, task: str) -> None:
    """Write the network, seeds included, to `folder`; an older one is replaced only by a whole new one."""
    content = {"format": FORMAT, "task": task, "state": model.state_dict()}
    write_atomically(folder / FILE_NAME, lambda file: torch.save(content, file))


def load_model(folder: Path, *, device: str = "cpu") -> nn.Module:
    """Return the network saved in `folder`, in evaluation mode.

    Raises:
        CheckpointError: there is none, or the file is no network of ours.
    """
    path = folder / FILE_NAME
    try:
        content = read_plain(path, name=path, device=device)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"a finished run holds {FILE_NAME}, got none in {folder}; train the run to its end"
        ) from error
    expect_format(content, FORMAT, name=path)
    try:
        model = get_task(content["task"]).build_host().to(device)
        model.load_state_dict(content["state"])
    except (RuntimeError, KeyError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{path} must fit the task's host, got another network ({reason})"
        ) from error
    return model.eval()
