"""Reads files that `torch.save` wrote, without running code from them."""

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import torch

from esper.leyline.errors import CheckpointError


def load_weights_only(
    file: Path | BinaryIO, *, name: object, device: str = "cpu"
) -> dict[str, Any]:
    """Return the mapping of tensors and plain values in `file`, its tensors on `device`.

    Errors call the file `name`.

    Raises:
        FileNotFoundError: the file does not exist.
        CheckpointError: the file is damaged, or holds more than tensors and plain values.
    """
    try:
        content = torch.load(file, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{name} must hold only tensors and plain values, got other objects; do not trust it"
        ) from error
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{name} must be a whole file written by Esper, got a damaged one ({reason});"
            " restore it from a copy or train again"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{name} must hold a mapping, got a value of type {type(content).__name__};"
            " use a file that Esper wrote"
        )
    return content


def check_format(content: dict[str, Any], expected: int, *, name: object) -> None:
    """Check the format number in a file's `content`; the error calls the file `name`.

    Raises:
        CheckpointError: the number is not `expected`.
    """
    if content.get("format") != expected:
        raise CheckpointError(
            f"{name} must have format {expected}, got {content.get('format')};"
            " load it with the version of Esper that wrote it"
        )
