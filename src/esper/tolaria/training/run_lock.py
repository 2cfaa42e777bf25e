"""A lock on a run's folder, because two processes that train one run would corrupt its log and its checkpoints."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esper.leyline.errors import UsageError


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Lock the run in `folder` for this process; the kernel releases the lock when the process ends, however it ends.

    Raises:
        UsageError: another process holds the lock.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"a run must be trained by one process at a time, got {folder.name}, which another process is"
                " training; wait until that ends or stop it"
            ) from None
        yield
