"""Reads one run for the view: its story, its newest events, and its health."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from esper.karn.follow import RunFollower
from esper.karn.story import RunStory
from esper.karn.watch.events import EventRow, EventTail
from esper.karn.watch.health import Health, judge_health
from esper.karn.watch.texts import show_bytes
from esper.leyline.errors import EsperError
from esper.leyline.text import printable_message
from esper.nissa.segments import LOG_FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run at the time of a look at its log."""

    folder: Path
    story: RunStory | None
    """None as long as the log has no events, or if it cannot be read."""
    problem: str | None
    """Why the log could not be read at the newest attempt; the story is then that of an earlier one. None otherwise."""
    events: tuple[EventRow, ...]
    """The newest events."""
    has_older_events: bool
    """Whether there are older ones, which are not among `events`."""
    health: Health


@final
class RunSource:
    """Reads a run again and again; each time only what is new, as far as its log allows it."""

    def __init__(self, folder: Path, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        """Read the run in `folder`; `now_ns` is the clock against which its newest event is compared."""
        self.folder = folder
        self._now_ns = now_ns
        self._follower = RunFollower(folder)
        self._tail = EventTail(folder)
        self._story: RunStory | None = None

    def peek(self) -> RunState:
        """Return the newest events only: they are there at once, while reading a large log takes some seconds."""
        problem = self._try(self._tail.read)
        size = f"a log of {show_bytes(self._tail.num_bytes)}"
        return self._state(problem, Health(word="reading", reason=size, tone="neutral"))

    def read(self) -> RunState:
        """Return the state of the run now."""
        problem = self._try(self._read_story) or self._try(self._tail.read)
        if problem is None and not (self.folder / LOG_FOLDER).is_dir():
            problem = "it was removed; this is what was read before"
        return self._state(problem, judge_health(self._story, problem, self._now_ns()))

    def _read_story(self) -> None:
        self._story = self._follower.poll()

    def _try(self, read: Callable[[], object]) -> str | None:
        """Read, and return why that failed; None if it did not."""
        try:
            read()
        except EsperError as error:
            return printable_message(str(error))
        except OSError as error:
            return printable_message(f"{error.filename}: {error.strerror}")
        return None

    def _state(self, problem: str | None, health: Health) -> RunState:
        return RunState(
            folder=self.folder,
            story=self._story,
            problem=problem,
            events=self._tail.rows,
            has_older_events=self._tail.is_cut,
            health=health,
        )
