"""Reads the story of a run from its log."""

from __future__ import annotations

from pathlib import Path

from esper.karn.follow import RunFollower, find_life
from esper.karn.run_fold import RunFold, name_unknown
from esper.karn.story import RunStory
from esper.nissa.reader import RunEvents

__all__ = ["RunFold", "name_unknown", "read_story"]


def read_story(folder: str | Path, *, strict: bool = False) -> RunStory:
    """Read the log of the run in `folder` and return its story: outcome, curves, slots, rollbacks, gaps in the log.

    A run that is still being written can be read too. Damaged lines are left out and counted; with `strict` they raise.
    A field that the log lacks is None, whatever its type, and named in `RunStory.missing`.

    Raises:
        RunNotFoundError: `folder` does not hold a run log.
        LogError: the log has no events, cannot be read, was not written by Esper, or was written under a later major
            version of the contract. With `strict`: a line of it is damaged.
    """
    if not strict:
        return RunFollower(folder).poll()
    events = RunEvents(Path(folder), strict=True)
    fold = RunFold()
    fold.extend(events)
    return fold.build(events, is_alive=find_life(events.folder))
