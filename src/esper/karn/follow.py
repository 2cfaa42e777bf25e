"""Follows a run while it goes on: its story so far, again and again, from what is new in its log."""

from __future__ import annotations

from pathlib import Path
from typing import Final, final

from esper.karn.run_fold import RunFold
from esper.karn.story import RunStory
from esper.leyline.errors import LogError
from esper.nissa.reader import RunEvents
from esper.nissa.run_edges import is_running
from esper.nissa.shipping.follower import LogFollower, LogPosition
from esper.nissa.writers import find_overlaps

STATE_FILE: Final = ".fold.msgpack"
"""Name of the file with the kept state, in the run's folder."""
_MAX_EVENTS: Final = 10_000
"""Events that are read at once."""
_SAVE_EVENTS: Final = 100_000
"""Events after which the state of the fold is kept, so that the run opens faster the next time."""


@final
class RunFollower:
    """Reads the log of a run again and again, for live views, each time only what is new:

        follower = RunFollower(folder)
        while (story := follower.poll()).state in ("running", "unknown"):
            show(story)
            time.sleep(1)

    The state of a long run's fold is kept in its folder (see `fold_state`), so that it opens faster the next time; a folder
    that cannot be written does not matter.

    Attributes:
        folder: the run's folder.
        num_restarts: how often the log was read from its start again, because the run was resumed and events that had
            been read are no longer part of it.
        num_read: events that this object has read from the log, without those that the kept state stands for.
        has_changed: whether the newest `poll` found new events, or that the state of the run is another.
    """

    def __init__(self, folder: str | Path) -> None:
        """Follow the run in `folder`; nothing is read yet."""
        self.folder = Path(folder)
        self.num_restarts = 0
        self.num_read = 0
        self.has_changed = False
        self._seen: tuple[int, str] | None = None
        self._num_saved = 0
        self._fold = RunFold()
        self._events: RunEvents | None = None
        self._follower: LogFollower | None = None

    def poll(self) -> RunStory:
        """Read what is new in the log, and return the story of the run so far.

        `RunStory.state` says whether the run has ended, or its process has died; `resumptions` grows when it is resumed.

        Raises:
            RunNotFoundError: the folder does not hold a run log.
            LogError: the log has no events yet, cannot be read, or was written under a later major version of the contract.
        """
        events = self._read()
        story = self._fold.build(events, is_alive=find_life(self.folder))
        seen = story.num_events, story.state
        self.has_changed = seen != self._seen
        self._seen = seen
        if self._follower is not None and story.num_events - self._num_saved >= _SAVE_EVENTS:
            # Imported here and in `_open`: few runs are so long, and the import takes a tenth of the start of a command.
            from esper.karn import fold_state

            self._num_saved = story.num_events
            path = self.folder / STATE_FILE
            fold_state.save(path, self._fold, events, self._follower.position)
        return story

    def _read(self) -> RunEvents:
        """Fold what is new in the log and return the log, which knows its writers and flaws.

        Raises:
            LogError: as `poll`.
        """
        events = self._events
        if events is None:
            events = self._open()
        try:
            if self._follower is None or not self._read_new(events, self._follower):
                self.num_restarts += self._follower is not None
                events = self._read_all()
                assert self._follower is not None
                self._read_new(events, self._follower)
        except LogError:
            # Half of a batch may be in the fold.
            self._events = self._follower = None
            raise
        self._events = events
        return events

    def _open(self) -> RunEvents:
        """Return the log as the kept state describes it, or as it is from its start on."""
        kept = None
        path = self.folder / STATE_FILE
        if path.is_file():
            from esper.karn import fold_state

            kept = fold_state.load(path)
        if kept is None:
            return self._read_all()
        self._fold, events, position = kept
        self._num_saved = position.num_events
        self._follower = LogFollower(self.folder, position, flaws=events)
        return events

    def _read_all(self) -> RunEvents:
        """Fold the log from its start on."""
        self._fold, self._follower, self._num_saved = RunFold(), None, 0
        events = RunEvents(self.folder, lenient=True)
        self._fold.extend(events)
        self.num_read += self._fold.num_events
        position = LogPosition(
            offsets=events.offsets,
            numbers=events.numbers,
            num_events=self._fold.num_events,
            num_bytes=sum(events.offsets.values()),
        )
        self._follower = LogFollower(self.folder, position, flaws=events)
        return events

    def _read_new(self, events: RunEvents, follower: LogFollower) -> bool:
        """Fold the events after those that were read; return False if some of these are no longer part of the log."""
        while batch := follower.read(_MAX_EVENTS):
            self._fold.extend(batch)
            self.num_read += len(batch)
        if follower.is_superseded:
            return False
        events.writers = follower.writers
        events.torn = follower.find_torn()
        events.overlaps = find_overlaps(self._fold.find_ends(events.writers))
        return True


def find_life(folder: Path) -> bool | None:
    """Return whether a process holds a lock of the run in `folder`; None if it has no lock file, as a copied run may not."""
    if not any(folder.glob(".lock*")):
        return None
    return is_running(folder)
