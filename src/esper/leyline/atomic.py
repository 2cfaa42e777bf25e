"""Replaces a file atomically: a reader finds the old content or the new content, never a part of it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` with a temporary file in the folder of `path`, flush it to the disk, then rename it to `path`.

    Makes the folder if it is gone: a run whose folder is removed must not lose its network for that. Blocks until the new
    file and its name are on the disk.

    Raises:
        OSError: the temporary file could not be written or renamed. `path` keeps its old content. If only the last
            step fails, flushing the folder, `path` has the new content, which a power failure may undo.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # The system names no file when a write fails, as on a full disk, and one that users do not know when the folder
        # cannot be written.
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    # The rename itself is durable only after the folder has been flushed as well.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
