"""The grown network on disk: plain types that load without running code from the file."""

from pathlib import Path

import torch
from torch import nn

from esper.leyline.errors import CheckpointError
from esper.tolaria.atomic import write_atomically
from esper.tolaria.tasks.registry import get_task

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
        content = torch.load(path, map_location=device, weights_only=True)
        if content["format"] != FORMAT:
            raise CheckpointError(
                f"a saved network has format {FORMAT}, got {content['format']} in {path};"
                " load it with the version of Esper that wrote it"
            )
        model = get_task(content["task"]).build_host().to(device)
        model.load_state_dict(content["state"])
    except FileNotFoundError as error:
        raise CheckpointError(
            f"a finished run holds {FILE_NAME}, got none in {folder}; train the run to its end"
        ) from error
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path} is damaged or no saved network: {error}") from error
    return model.eval()
