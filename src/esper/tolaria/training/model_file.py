"""The grown network on disk, in a file that loads without running code from it."""

import io
from pathlib import Path

import torch
from torch import nn

from esper.leyline.atomic import write_atomically
from esper.leyline.errors import CheckpointError
from esper.leyline.regular_file import read_regular_file
from esper.tolaria.tasks.registry import get_task, task_names
from esper.tolaria.tasks.task import build_host
from esper.tolaria.training.weights_only import check_format, check_plain, load_weights_only

FORMAT = 1
FILE_NAME = "model.pt"


def save_model(model: nn.Module, folder: Path, *, task: str) -> None:
    """Write the network, seeds included, to `folder`; an older file is replaced only once the new one is whole.

    Raises:
        CheckpointError: the network's state dict holds more than tensors and plain values.
        OSError: the file cannot be written.
    """
    content = {"format": FORMAT, "task": task, "state": model.state_dict()}
    check_plain(content, name=FILE_NAME)
    # By way of memory, because torch.save raises other errors than OSError when the disk is full.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(folder / FILE_NAME, lambda file: file.write(buffer.getbuffer()))


def load_model(folder: Path, *, device: str = "cpu") -> nn.Module:
    """Return the network saved in `folder`, on `device` and in evaluation mode.

    Raises:
        CheckpointError: the folder has no saved network, the file is damaged, or the task is not registered.
    """
    path = folder / FILE_NAME
    try:
        data = read_regular_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"no {FILE_NAME} in {folder}: the run has not finished; resume it"
            f" with esper.resume_run, or: esper train --resume {folder.name}"
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"{path} must be a file that can be read, got an error ({error.strerror}); restore it from a copy"
        ) from error
    content = load_weights_only(io.BytesIO(data), name=path, device=device)
    check_format(content, FORMAT, name=path)
    try:
        name, state = content["task"], content["state"]
        if name not in task_names():
            raise CheckpointError(
                f'{path} holds a network of the task "{name}", which is not registered here; call'
                " esper.register_task with that task before esper.load; registered are:"
                f" {', '.join(task_names())}"
            )
        model = build_host(get_task(name)).to(device)
        model.load_state_dict(state)
    except (RuntimeError, KeyError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{path} must fit the task's host, got another network ({reason});"
            " register the task with which the run was trained"
        ) from error
    return model.eval()
