"""Runs a worker process for each sink, kills those that make no progress, and starts them again.

A process for each sink, because nothing less can be stopped: a sink that hangs in a library, ends its process or needs all
its memory cannot disturb the others.
"""

from __future__ import annotations

import os
import random
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import final

import msgspec

from esper.nissa.run_edges import is_running
from esper.nissa.shipping.carrier import SinkCounts
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.registry import Target
from esper.nissa.shipping.worker import FINISHED, REFUSED, UNFINISHED, Job

_TICK_S = 0.2
_START_TIMEOUT_S = 60.0
"""Seconds that a process may take to start Python and to import its sink."""
_STOP_TIMEOUT_S = 15.0
"""Seconds that workers get to commit when shipping is stopped."""


class Ending(Enum):
    """How the worker of a sink ended."""

    FINISHED = "everything is carried"
    UNFINISHED = "stopped, or given up after too many failures"
    REFUSED = "the user must correct something, which the worker has printed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of shipping to one sink."""

    target: Target
    ending: Ending
    counts: SinkCounts | None
    """How far the sink was; None if its worker never said so."""


@final
class _Worker:
    """The process of one sink, and those that replace it."""

    def __init__(self, folder: Path, target: Target, config: ShipConfig, *, follow: bool) -> None:
        """Prepare to carry the run in `folder` to `target`."""
        self.target = target
        self.ending: Ending | None = None
        self.counts: SinkCounts | None = None
        self._folder = folder
        self._config = config
        self._follow = follow
        self._num_kills = 0
        self._failures_in_a_row = 0
        self._written_at_failure = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._beats = -1
        self._buffer = b""
        self._heard_at = 0.0
        self._has_begun = False
        self._start_at = 0.0

    def start_if_due(self, selector: selectors.BaseSelector) -> None:
        """Start a process if there is none and the wait after the last one is over."""
        if (
            self.ending is not None
            or self._process is not None
            or time.monotonic() < self._start_at
        ):
            return
        self._beats, beat_descriptor = os.pipe()
        job = Job(
            folder=str(self._folder),
            name=self.target.name,
            argument=self.target.argument,
            config=self._config,
            follow=self._follow,
            num_kills=self._num_kills,
            beat_descriptor=beat_descriptor,
        )
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "esper.nissa.shipping.worker"],
                stdin=subprocess.PIPE,
                pass_fds=[beat_descriptor],
                start_new_session=True,
            )
        finally:
            os.close(beat_descriptor)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(msgspec.json.encode(job) + b"\n")
            self._process.stdin.flush()
        self._buffer = b""
        self._has_begun = False
        self._heard_at = time.monotonic()
        selector.register(self._beats, selectors.EVENT_READ, self)

    def hear(self) -> bool:
        """Take what the process has said; return False once its end of the pipe is closed."""
        data = os.read(self._beats, 65536)
        if not data:
            return False
        self._heard_at = time.monotonic()
        self._has_begun = True
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if lines := [line for line in lines if line]:
            self.counts = msgspec.json.decode(lines[-1], type=SinkCounts)
            if self.counts.num_written > self._written_at_failure:
                self._failures_in_a_row = 0
        return True

    def kill_if_hung(self) -> None:
        """Kill the process if it has said nothing for too long."""
        if self._process is None or self._process.poll() is not None:
            return
        limit_s = self._config.hang_timeout_s
        if not self._has_begun:
            limit_s = max(limit_s, _START_TIMEOUT_S)
        if time.monotonic() - self._heard_at > limit_s:
            self._process.kill()
            self._heard_at = time.monotonic()

    def reap(self, selector: selectors.BaseSelector) -> None:
        """Note how the process has ended, and start another one later if it did not end by itself."""
        if self._process is None or self._process.poll() is None:
            return
        with suppress(OSError):
            while self.hear():
                pass
        selector.unregister(self._beats)
        os.close(self._beats)
        code = self._process.returncode
        self._close_input()
        self._process = None
        endings = {
            FINISHED: Ending.FINISHED,
            UNFINISHED: Ending.UNFINISHED,
            REFUSED: Ending.REFUSED,
        }
        self.ending = endings.get(code)
        if self.ending is None:
            self._plan_restart()

    def stop(self) -> None:
        """Ask the process to commit and end."""
        self._close_input()
        if self._process is None and self.ending is None:
            self.ending = Ending.UNFINISHED

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.ending = self.ending or Ending.UNFINISHED

    def _close_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _plan_restart(self) -> None:
        self._num_kills += 1
        self._failures_in_a_row += 1
        self._written_at_failure = -1 if self.counts is None else self.counts.num_written
        is_last = self._failures_in_a_row >= self._config.max_failures
        if is_last and not (self._follow and is_running(self._folder)):
            self.ending = Ending.UNFINISHED
            return
        delay_s = self._config.first_delay_s * 2.0 ** (self._failures_in_a_row - 1)
        delay_s = min(self._config.max_delay_s, delay_s) * random.uniform(0.5, 1.0)
        self._start_at = time.monotonic() + delay_s


def supervise(
    folder: Path,
    targets: Sequence[tuple[Target, ShipConfig]],
    *,
    follow: bool,
    should_stop: Callable[[], bool] = lambda: False,
    notify: Callable[[Sequence[SinkCounts]], None] = lambda counts: None,
) -> list[Outcome]:
    """Carry the run in `folder` to all `targets` at once, each with its settings, and return how that went.

    Args:
        folder: the run's folder.
        targets: the sinks.
        follow: whether to wait for further events while the run goes on.
        should_stop: asked several times a second; once it returns True, the sinks commit what they have and end.
        notify: called several times a second with how far each sink is that has said so.
    """
    workers = [
        _Worker(folder.absolute(), target, config, follow=follow) for target, config in targets
    ]
    stopped_at: float | None = None
    with selectors.DefaultSelector() as selector:
        try:
            while any(worker.ending is None for worker in workers):
                for worker in workers:
                    if stopped_at is None:
                        worker.start_if_due(selector)
                _listen(selector)
                for worker in workers:
                    worker.kill_if_hung()
                    worker.reap(selector)
                notify([worker.counts for worker in workers if worker.counts is not None])
                if stopped_at is None and should_stop():
                    stopped_at = time.monotonic()
                if stopped_at is not None:
                    is_late = time.monotonic() - stopped_at > _STOP_TIMEOUT_S
                    for worker in workers:
                        worker.kill() if is_late else worker.stop()
        finally:
            for worker in workers:
                worker.kill()
    return [
        Outcome(target=worker.target, ending=worker.ending, counts=worker.counts)
        for worker in workers
        if worker.ending is not None
    ]


def _listen(selector: selectors.BaseSelector) -> None:
    """Take what workers say, for a moment."""
    if not selector.get_map():
        time.sleep(_TICK_S)
        return
    for key, _ in selector.select(_TICK_S):
        if not key.data.hear():
            # Closed, so the process ends soon; `select` would return at once until then.
            time.sleep(_TICK_S / 10)
