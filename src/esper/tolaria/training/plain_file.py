"""Files of tensors and plain values, written with `torch.save` and read without running code from them."""

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import torch

from esper.leyline.errors import CheckpointError


def read_plain(file: Path | BinaryIO, *, name: object, device: str = "cpu") -> dict[str, Any]:
    """Return the mapping that `file` holds, its tensors on `device`; errors call the file `name`.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, or holds more than tensors and plain values.
    """
    try:
        content = torch.load(file, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{name} must hold tensors and plain values only, got something else; do not trust it"
        ) from error
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{name} must be a whole file of ours, got a damaged one ({reason})"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{name} must hold a mapping, got a {type(content).__name__}")
    return content


def expect_format(content: dict[str, Any], expected: int, *, name: object) -> None:
    """Check the format number of what a file holds.

    Raises:
        CheckpointError: it has another one.
    """
    if content.get("format") != expected:
        raise CheckpointError(
            f"{name} must have format {expected}, got {content.get('format')};"
            " load it with the version of Esper that wrote it"
        )
