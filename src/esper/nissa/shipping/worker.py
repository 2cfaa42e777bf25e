"""The process that carries a run to one sink: `python -m esper.nissa.shipping.worker`, started by the supervisor.

Its standard input is a pipe from the supervisor. The first line is the job; the end of the pipe says that the supervisor has
ended, so that no process is left over. To another pipe it writes a line whenever it makes progress.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import final

import msgspec

from esper.leyline.errors import EsperError, LogError, UsageError
from esper.leyline.text import printable_message
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.run_edges import is_running
from esper.nissa.run_lock import describe_holder
from esper.nissa.shipping.carrier import Carrier, SinkCounts
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.log_sink import ShippedRun
from esper.nissa.shipping.progress_file import SHIP_FOLDER
from esper.nissa.shipping.registry import Target, check_installed, load_sink

FINISHED, UNFINISHED, REFUSED = 90, 91, 92
"""Exit codes: everything is carried; stopped or given up before; the user must correct something, which is printed.

A library that a sink uses may end the process. It would do so with a code such as 0, 1 or 2, which must not be taken for one of these.
"""
_BEAT_INTERVAL_S = 0.2
_RETRY_INTERVAL_S = 1.0
_STOP_GRACE_S = 10.0
"""Seconds to commit in after the supervisor has ended."""


class Job(msgspec.Struct, kw_only=True, frozen=True):
    """What a worker is to do."""

    folder: str
    """Folder of the run."""
    name: str
    """Name of the sink."""
    argument: str
    """Argument of the sink."""
    config: ShipConfig
    """Settings of the sink."""
    follow: bool
    """Whether to wait for further events while the run goes on."""
    num_kills: int
    """Times that earlier workers were killed, or ended without having been asked to."""
    beat_descriptor: int
    """Descriptor of the pipe for signs of progress."""


@final
class _Beats:
    """Writes signs of progress to the supervisor."""

    def __init__(self, descriptor: int, stop: threading.Event) -> None:
        """Write to `descriptor`; set `stop` when nobody reads it any more."""
        self._descriptor = descriptor
        self._stop = stop
        self._next = 0.0

    def send(self, counts: SinkCounts) -> None:
        """Write a line, unless one has just been written."""
        if time.monotonic() < self._next and not counts.is_finished:
            return
        self._next = time.monotonic() + _BEAT_INTERVAL_S
        self._write(msgspec.json.encode(counts) + b"\n")

    def keep_alive(self) -> None:
        """Write an empty line: there is nothing to count yet."""
        self._write(b"\n")

    def _write(self, line: bytes) -> None:
        try:
            os.write(self._descriptor, line)
        except BrokenPipeError:
            self._stop.set()


def main() -> int:
    """Do the job on standard input and return the exit code."""
    # A signal of the terminal is for the supervisor, which ends the workers in order.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    stop = threading.Event()
    threading.Thread(target=_watch_supervisor, args=(stop,), daemon=True).start()
    target = Target(name=job.name, argument=job.argument)
    try:
        return FINISHED if _carry(job, target, stop) else UNFINISHED
    except EsperError as error:
        print(printable_message(f"{target.label}: {error}"), file=sys.stderr, flush=True)
        return REFUSED


def _carry(job: Job, target: Target, stop: threading.Event) -> bool:
    folder = Path(job.folder)
    sink_class = load_sink(target.name)
    check_installed(sink_class, target.name)
    beats = _Beats(job.beat_descriptor, stop)
    with Hub(folder.name) as hub:
        if not _attach(hub, folder / SHIP_FOLDER / target.label, job.follow, beats, stop):
            return False
        carrier = Carrier(
            ShippedRun(run_id=folder.name, folder=folder, argument=target.argument),
            target.label,
            sink_class,
            job.config,
            channel=hub.channel(),
            follow=job.follow,
            num_kills=job.num_kills,
            beat=beats.send,
            stop=stop,
        )
        return carrier.carry()


def _attach(hub: Hub, folder: Path, follow: bool, beats: _Beats, stop: threading.Event) -> bool:
    """Attach the log of the sink's processes, which also keeps a second one out; return False if stopped before.

    With `follow`, wait while another process carries the run to the sink: it may end just before a resumed run goes on.

    Raises:
        UsageError: another process carries the run to the sink, or the log cannot be written.
    """
    has_said = False
    while not stop.is_set():
        try:
            hub.attach(RunLog(folder, append=True))
            return True
        except LogError as error:
            holder = describe_holder(folder)
            if not is_running(folder):
                raise UsageError(str(error)) from error
            if not follow:
                raise UsageError(
                    f"one process at a time carries a run to {folder.name}, and {holder} does; wait until it ends, or stop it"
                ) from error
            if not has_said:
                print(f"{folder.name}: waits for {holder}", file=sys.stderr, flush=True)
                has_said = True
            beats.keep_alive()
            stop.wait(_RETRY_INTERVAL_S)
    return False


def _watch_supervisor(stop: threading.Event) -> None:
    """Stop, by force after a while, once the supervisor has closed the pipe or has ended."""
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    stop.set()
    time.sleep(_STOP_GRACE_S)
    os._exit(UNFINISHED)


if __name__ == "__main__":
    sys.exit(main())
