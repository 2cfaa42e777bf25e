"""A thread that reads the run in view, so that the view never waits for a log."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import final

from esper.karn.watch.source import RunSource, RunState

_MAX_SOURCES = 4
"""Runs that are kept in memory, so that switching back to one shows it at once."""
_REST = 4
"""The thread rests at least this many times as long as a look at the log took, so that slow looks leave time for others."""


@final
class RunReader:
    """Reads one run after another in a thread of its own.

    `on_state` and `on_failure` are called in that thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        on_state: Callable[[RunState], object],
        on_failure: Callable[[Exception], object],
        interval_s: float,
        now_ns: Callable[[], int],
    ) -> None:
        """Read the run in `folder` once started, every `interval_s` seconds if looks at its log are quick."""
        self._folder = folder
        self._on_state, self._on_failure = on_state, on_failure
        self._interval_s, self._now_ns = interval_s, now_ns
        self._sources: OrderedDict[Path, RunSource] = OrderedDict()
        self._wake, self._is_stopped = threading.Event(), False
        # A daemon, so that a program that ends does not wait for a look at a large log.
        self._thread = threading.Thread(target=self._run, name="esper-watch-reader", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def follow(self, folder: Path) -> None:
        """Read the run in `folder` from now on."""
        self._folder = folder
        self._wake.set()

    def stop(self) -> None:
        """End the thread after its present look at the log; this does not wait for it."""
        self._is_stopped = True
        self._wake.set()

    def _run(self) -> None:
        # An exception in a thread is lost otherwise, and the view would stand still without a word.
        try:
            while not self._is_stopped:
                self._wake.clear()
                start = time.monotonic()
                state = self._source().read()
                took = time.monotonic() - start
                if not self._is_stopped:
                    self._on_state(state)
                self._wake.wait(max(self._interval_s, _REST * took))
        except Exception as error:
            self._on_failure(error)

    def _source(self) -> RunSource:
        folder = self._folder
        if folder not in self._sources:
            source = self._sources[folder] = RunSource(folder, now_ns=self._now_ns)
            self._on_state(source.peek())
        self._sources.move_to_end(folder)
        while len(self._sources) > _MAX_SOURCES:
            self._sources.popitem(last=False)
        return self._sources[folder]
