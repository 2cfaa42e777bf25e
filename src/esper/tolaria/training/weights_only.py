"""Reads files that `torch.save` wrote, without running code from them, and checks before writing that this will work."""

import pickle
from collections import Counter, OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch
from torch import Tensor, nn

from esper.leyline.errors import CheckpointError

_PLAIN: Final = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray}
    | {torch.dtype, torch.device, torch.Size, Tensor, nn.Parameter}
)
"""The types whose values `torch.load` reads with `weights_only=True`; subclasses, such as enums, are not among them."""
_MAPPINGS: Final = frozenset((dict, OrderedDict, Counter))
_SEQUENCES: Final = frozenset((list, tuple, set))


def check_plain(content: Any, *, name: object) -> None:
    """Check that `content` holds only tensors and plain values, so that `load_weights_only` can read it once written.

    Errors call the file `name`. Types that the user has given to `torch.serialization.add_safe_globals` count as plain.

    Raises:
        CheckpointError: it holds something else; the message gives its place and type.
    """
    # Entries of the list may be pairs of a type and its name.
    safe = (
        one[0] if isinstance(one, tuple) else one for one in torch.serialization.get_safe_globals()
    )
    for place, value in _not_plain(content, (), _PLAIN.union(safe)):
        raise CheckpointError(
            f"{name} may hold only tensors and plain values (numbers, strings, lists, dicts), got a value of type"
            f" {type(value).__module__}.{type(value).__qualname__} at {'.'.join(map(str, place))}; convert it"
            " in the state_dict or get_extra_state that returns it"
        )


def _not_plain(
    value: Any, place: tuple[object, ...], plain: frozenset[Any]
) -> Iterator[tuple[tuple[object, ...], Any]]:
    """Yield the values in `value`, which lies at `place`, that cannot be read again, each with its place."""
    kind = type(value)
    if kind in _MAPPINGS:
        for key, entry in value.items():
            yield from _not_plain(key, (*place, f"key {key!r}"), plain)
            yield from _not_plain(entry, (*place, key), plain)
    elif kind in _SEQUENCES:
        for index, entry in enumerate(value):
            yield from _not_plain(entry, (*place, index), plain)
    elif kind not in plain:
        yield place, value


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
