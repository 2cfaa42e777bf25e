"""What a run was started with, kept in its folder so that it can go on as it began."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from esper.leyline.atomic import write_atomically
from esper.leyline.errors import RunNotFoundError

FILE_NAME = "settings.json"


class RunSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `esper train`, as they were understood."""

    task: str
    epochs: Annotated[int, Meta(ge=1)]
    seed: Annotated[int, Meta(ge=0)]
    device: str
    detector: Literal["robust", "sigma"]
    faults: tuple[str, ...]
    """Each as `KIND@EPOCH`."""
    has_baseline: bool
    """Whether the host is trained alone for comparison."""
    num_checkpoints: Annotated[int, Meta(ge=1)]
    """Checkpoints that are kept."""


def save_settings(settings: RunSettings, folder: Path) -> None:
    """Write the settings of the run in `folder`."""
    content = msgspec.json.format(msgspec.json.encode(settings))
    write_atomically(folder / FILE_NAME, lambda file: file.write(content + b"\n"))


def load_settings(folder: Path) -> RunSettings:
    """Return the settings of the run in `folder`.

    Raises:
        RunNotFoundError: there are none, or they are damaged.
    """
    path = folder / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunSettings)
    except OSError as error:
        raise RunNotFoundError(
            f"a run that can be resumed holds {FILE_NAME}, got none in {folder}; start another: esper train"
        ) from error
    except msgspec.MsgspecError as error:
        raise RunNotFoundError(
            f"{path} must hold the settings of a run, got damaged ones ({error}); start another: esper train"
        ) from error
