"""A lock on a run's folder: two processes that trained one run would spoil its log and its checkpoints."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esper.leyline.errors import UsageError


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Hold the run in `folder` for this process; the kernel lets go of it when the process is gone, however it ends.

    Raises:
        UsageError: another process holds it.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"a run is trained by one process at a time, got {folder.name}, which is still in"
                " training; wait for it or end it"
            ) from None
        yield
