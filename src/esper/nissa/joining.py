"""How another process joins a run: the handle that is passed to it, and the rank that it writes under."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from esper.nissa.hub_config import HubConfig
from esper.nissa.log import RunLogConfig
from esper.nissa.run_lock import Role, RunLock
from esper.nissa.segments import LOG_FOLDER, Segment

_FIRST_JOINED_RANK = 1_000_000
"""The ranks of processes that join a run start here, so that those of a launcher stay free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubHandle:
    """A hub's run, to be passed to another process of the same run, which joins it: `Hub.join(handle)`."""

    run_id: str
    """Id of the run."""
    run_folder: Path
    """Folder of the run, absolute."""
    config: HubConfig
    """Limits of the hub."""
    log_config: RunLogConfig
    """Limits of its log."""


def lock_unused_rank(run_folder: Path) -> tuple[RunLock, int]:
    """Lock and return the first rank for joined processes that has no events and no writer.

    Raises:
        OSError: the lock's file cannot be made.
    """
    for rank in count(_FIRST_JOINED_RANK):
        lock = RunLock.acquire(run_folder, Role.JOINING, rank=rank)
        if lock is None:
            continue
        segments = (Segment.parse(path) for path in (run_folder / LOG_FOLDER).glob("*.jsonl"))
        if all(segment is None or segment.rank != rank for segment in segments):
            return lock, rank
        lock.release()
    raise AssertionError("unreachable")
