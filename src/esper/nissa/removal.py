"""Removes the folders of runs: never a run that a process still writes or ships, and never anything else."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from esper.leyline.errors import EsperError, UsageError
from esper.nissa.run_edges import is_running, read_edges
from esper.nissa.run_lock import Role, RunLock
from esper.nissa.segments import LOG_FOLDER

REMOVED_FOLDER: Final = ".esper-removed"
"""Folder, beside the runs, to which a run is moved in one step before its files are removed."""
_REMOVED = re.compile(r"[0-9a-f]{16}", re.ASCII)
QUIET_S: Final = 600.0
"""Seconds without a change after which a run without an end is taken for a crashed one, if no process locks it: on a file
system without locks, a run that goes on is not locked either."""


def is_written_below(run_folder: Path) -> bool:
    """Return whether a process holds a lock in a folder of the run: one that ships it, say."""
    return any(
        is_running(Path(folder))
        for folder, _, files in os.walk(run_folder)
        if any(name.startswith(".lock") for name in files)
    )


def changed_s(run_folder: Path) -> float:
    """Return when the log of the run in `run_folder` was last written, in seconds since 1970.

    Raises:
        OSError: the log cannot be looked at.
    """
    paths = [run_folder / LOG_FOLDER, *(run_folder / LOG_FOLDER).iterdir()]
    return max(path.stat(follow_symlinks=False).st_mtime for path in paths)


def find_obstacle(run_folder: Path) -> str | None:
    """Return the reason why the folder must not be removed; None if it can be."""
    if run_folder.is_symlink() or (run_folder / LOG_FOLDER).is_symlink():
        return "a link"
    if is_running(run_folder):
        return "running"
    if is_written_below(run_folder):
        return "being shipped"
    try:
        edges = read_edges(run_folder)
        changed = changed_s(run_folder)
    except (EsperError, OSError):
        return "its log cannot be read"
    if not edges.first:
        return "no event in its log"
    has_ended = any(one.event == "RUN_FINISHED" for one in edges.last)
    if not has_ended and time.time() - changed < QUIET_S:
        return "without an end, and written in the last ten minutes"
    return None


def remove_run(run_folder: Path) -> None:
    """Remove the run in `run_folder`, all files of its folder.

    Symbolic links in it are removed, not followed. After a kill the rest is in the folder `.esper-removed` beside it, from
    which the next removal deletes it.

    Raises:
        UsageError: it must not be removed.
        OSError: it cannot be.
    """
    obstacle = find_obstacle(run_folder)
    # Nobody can begin to write the run between the look at it and the move.
    lock = None if obstacle else RunLock.acquire(run_folder, Role.TRAINING)
    if lock is None:
        raise UsageError(f"{run_folder.name} is kept: {obstacle or 'running'}")
    removed = run_folder.parent / REMOVED_FOLDER
    try:
        removed.mkdir(exist_ok=True)
        if removed.is_symlink():
            raise UsageError(f"{removed} must be a folder, got a link; remove it")
        run_folder.rename(removed / secrets.token_hex(8))
    finally:
        lock.release()
    clear_removed(run_folder.parent)


def clear_removed(root: Path) -> None:
    """Delete what removals have left in the folder `.esper-removed` under `root`.

    Raises:
        OSError: it cannot be deleted.
    """
    removed = root / REMOVED_FOLDER
    if removed.is_symlink() or not removed.is_dir():
        return
    for path in removed.iterdir():
        if _REMOVED.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
    # Somebody else's file may be in it.
    with suppress(OSError):
        removed.rmdir()
