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
from esper.leyline.errors import EsperError
from esper.leyline.text import printable_message


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
    now_ns: int
    """Wall time of the look, in nanoseconds since 1970 UTC."""


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

    def read(self) -> RunState:
        """Return the state of the run now."""
        problem = None
        try:
            self._story = self._follower.poll()
            self._tail.read()
        except EsperError as error:
            problem = printable_message(str(error))
        except OSError as error:
            problem = printable_message(f"{error.filename}: {error.strerror}")
        now_ns = self._now_ns()
        return RunState(
            folder=self.folder,
            story=self._story,
            problem=problem,
            events=self._tail.rows,
            has_older_events=self._tail.is_cut,
            health=judge_health(self._story, problem, now_ns),
            now_ns=now_ns,
        )
