"""The file `config.json` in a run's folder: the settings of the user's own training loop."""

import json
import math
import os
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path

from esper.leyline.arguments import describe
from esper.leyline.atomic import write_atomically
from esper.leyline.errors import UsageError
from esper.leyline.text import printable

FILE_NAME = "config.json"
_MAX_BITS = 1024
"""Python writes and reads decimal numbers up to some thousand digits only."""


def encode_config(config: Mapping[str, object]) -> bytes:
    """Return `config`, plain values by name, as strict JSON.

    Paths become texts, and numbers that are not finite become `"nan"`, `"inf"` and `"-inf"`.

    Raises:
        UsageError: it holds something else than texts, numbers, bools, None, paths, lists and dicts.
    """
    if not isinstance(config, Mapping):
        raise UsageError(f"config must be a dict, got {describe(config)}; for argparse: vars(args)")
    try:
        text = json.dumps(_plain(config, "config"), indent=2, ensure_ascii=False, allow_nan=False)
    except RecursionError as error:
        raise UsageError(
            "config must not contain itself, or be nested hundreds of levels deep; flatten it"
        ) from error
    return text.encode("utf-8", "backslashreplace") + b"\n"


def save_config(content: bytes, folder: Path) -> None:
    """Write the result of `encode_config` to the run's `folder`.

    Raises:
        OSError: the file cannot be written.
    """
    write_atomically(folder / FILE_NAME, lambda file: file.write(content))


def _plain(value: object, place: str) -> object:
    match value:
        case None | bool() | str():
            return value
        # NumPy's numbers are among these.
        case Integral():
            return _checked_int(int(value), place)
        case Real():
            return float(value) if math.isfinite(value) else str(float(value))
        case os.PathLike():
            return os.fsdecode(value)
        case Mapping():
            return {_key(key, place): _plain(item, f"{place}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
    raise UsageError(
        "config must hold texts, numbers, bools, None, paths, lists and dicts, got a value of type"
        f" {type(value).__name__} at {printable(place)}; convert it"
    )


def _checked_int(value: int, place: str) -> int:
    if value.bit_length() > _MAX_BITS:
        raise UsageError(
            f"config must hold integers of at most {_MAX_BITS} bits, got {value.bit_length()} bits at {printable(place)};"
            " convert it to a text"
        )
    return value


def _key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise UsageError(
            f"the keys of config must be texts, got {printable(repr(key))} in {printable(place)}; convert it"
        )
    return key
