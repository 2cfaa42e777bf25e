"""The trainer and the sinks that `telemetry_faults.py` starts and breaks.

As a program it emits METRICS_LOGGED into a run log, `step` being the number of the event, and prints a line for each event that
is acknowledged: its number, the longest time in milliseconds that an emission has taken so far, the time in microseconds of
its own emission, and the monotonic clock. An event is acknowledged when its emission helper has returned and no event waits in
memory because the disk is full.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import IO, Any, ClassVar

from esper._generated.enums import Resumption
from esper._generated.run import emit_metrics_logged
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog, RunLogConfig
from esper.nissa.reader import LoggedEvent
from esper.nissa.shipping.log_sink import LogSink, ShippedRun, State, event_key


class LinesSink(LogSink):
    """Appends the key of each event to `lines.txt` in the run's folder; misbehaves as its argument says."""

    RESUMPTION: ClassVar[Resumption] = Resumption.OFFSETS

    def __init__(self) -> None:
        """Open nothing yet."""
        self._file: IO[bytes] | None = None
        self._fault = ""

    def open(self, run: ShippedRun, state: State | None) -> None:
        """Cut the file back to the last commit."""
        self._fault = run.argument
        # Not the same in every attempt, or a write that has failed would fail for ever.
        self._random = Random()
        self._file = (run.folder / "lines.txt").open("ab")
        self._file.truncate(0 if state is None else state["size"])

    def write(self, events: Sequence[LoggedEvent]) -> None:
        """Write the keys; then, at times, raise, hang or be slow."""
        assert self._file is not None
        self._file.writelines(f"{event_key(one)}\n".encode() for one in events)
        self._file.flush()
        if self._fault == "slow":
            time.sleep(0.05)
        elif self._fault and self._random.random() < 0.1:
            if self._fault == "hang":
                time.sleep(10_000)
            raise ConnectionError("the sink raises")

    def commit(self) -> State:
        """Return the size."""
        assert self._file is not None
        return {"size": self._file.tell()}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class CollectorSink(LogSink):
    """Sends the key of each event to a collector at a port, which answers each commit once it has written all."""

    RESUMPTION: ClassVar[Resumption] = Resumption.KEYS

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._socket: socket.socket | None = None

    def open(self, run: ShippedRun, state: State | None) -> None:
        """Connect."""
        self._socket = socket.create_connection(("127.0.0.1", int(run.argument)), timeout=5)

    def write(self, events: Sequence[LoggedEvent]) -> None:
        """Send the keys."""
        assert self._socket is not None
        self._socket.sendall("".join(f"{event_key(one)}\n" for one in events).encode())

    def commit(self) -> State:
        """Wait for the answer."""
        assert self._socket is not None
        self._socket.sendall(b"commit\n")
        if self._socket.recv(3) != b"ok\n":
            raise ConnectionError("the collector has gone")
        return {}

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()


def collect(port: int, path: Path) -> None:
    """Be the collector: append the keys that arrive to `path` until killed."""
    with socket.create_server(("127.0.0.1", port)) as server, path.open("ab") as file:
        while True:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    if line == b"commit\n":
                        file.flush()
                        connection.sendall(b"ok\n")
                    elif line.endswith(b"\n"):
                        file.write(line)


def train(options: Mapping[str, Any]) -> None:
    """Emit events, `num_events` of them or for ever, and acknowledge them."""
    # A process that loads a sink from this file does not find the modules beside it.
    from kill_writer import FullDisk, JumpingClock

    random = Random(options["seed"])
    if options["jumps_clock"]:
        time.time_ns = JumpingClock(random)
    disk = FullDisk(random) if options["fills_disk"] else None
    longest_ms = 0.0
    with Hub("run") as hub:
        log = hub.attach(
            RunLog(Path(options["folder"]), config=RunLogConfig(check_interval_s=0.05))
        )
        channel = hub.channel(strict=True, env_id=0)
        step = 0
        while step != options["num_events"]:
            if disk is not None:
                disk.step(log)
            begun = time.perf_counter()
            emit_metrics_logged(channel, step=step, metrics={"loss": 0.5}, num_left_out=0)
            taken_us = (time.perf_counter() - begun) * 1e6
            longest_ms = max(longest_ms, taken_us / 1000)
            if not log.num_waiting:
                now_ns = time.monotonic_ns()
                os.write(1, f"{step} {longest_ms:.3f} {taken_us:.2f} {now_ns}\n".encode())
            time.sleep(options["pause_s"])
            step += 1


if __name__ == "__main__":
    if sys.argv[1] == "collect":
        collect(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        train(json.loads(sys.argv[1]))
