"""Follows a run while it goes on: its story so far, again and again."""

from __future__ import annotations

from pathlib import Path
from typing import final

from esper.karn.run import RunFold, find_life
from esper.karn.story import RunStory
from esper.nissa.reader import RunEvents


@final
class RunFollower:
    """Reads the log of a run again and again, for live views.

        follower = RunFollower(folder)
        while (story := follower.poll()).state in ("running", "unknown"):
            show(story)
            time.sleep(1)

    Attributes:
        folder: the run's folder.
        num_restarts: how often the log was read from its start again, because the run was resumed and events that had
            been read are no longer part of it.
        has_changed: whether the newest `poll` found new events, or that the state of the run is another.
    """

    def __init__(self, folder: str | Path) -> None:
        """Follow the run in `folder`; nothing is read yet."""
        self.folder = Path(folder)
        self.num_restarts = 0
        self.has_changed = False
        self._seen: tuple[int, str] | None = None

    def poll(self) -> RunStory:
        """Read what is new in the log, and return the story of the run so far.

        `RunStory.state` says whether the run has ended, or its process has died; `resumptions` grows when it is resumed.

        Raises:
            RunNotFoundError: the folder does not hold a run log.
            LogError: the log has no events yet, cannot be read, or was written under a later major version of the contract.
        """
        events = RunEvents(self.folder, lenient=True)
        fold = RunFold()
        fold.extend(events)
        story = fold.build(events, is_alive=find_life(self.folder))
        seen = story.num_events, story.state
        self.has_changed = seen != self._seen
        self._seen = seen
        return story
