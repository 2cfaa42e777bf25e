"""Writes events to a run log until it is killed; `kills.py` starts it.

It prints a line with its rank, boot id and first event number, and then one line for each acknowledgement: the number of
an event, which means that this event and all before it are in the log, and the monotonic time at which it was begun. An
event is acknowledged when its emission helper has returned and no event waits in memory because the disk is full.
"""

import json
import os
import pickle
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from esper._generated.lifecycle import emit_seed_germinated
from esper.nissa.hub import Hub
from esper.nissa.log import LogPosition, RunLog, RunLogConfig
from esper.nissa.rewind import rewind


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to write; `kills.py` passes it as JSON."""

    folder: str
    """Folder of the run."""
    own_folder: str
    """Folder outside the run for the hub's handle and checkpoints."""
    mode: str
    """`new`, `rewind` (to the last checkpoint), `append`, or `join`."""
    rank: int
    seed: int
    segment_bytes: int
    check_interval_s: float
    jumps_clock: bool
    fills_disk: bool


class Seed:
    """A source of lifecycle events; `num_seed_params` holds the event's number, so that a reader can compare."""

    slot_id = "r0c0"
    blueprint_id = "conv_small"
    num_seed_params = 0
    alpha = 0.5
    blend_tempo_epochs = 5
    epochs_in_stage = 2
    has_gradient_health = False


class JumpingClock:
    """A wall clock that is set to another time, up to ten years away, at every hundredth call or so."""

    def __init__(self, random: Random) -> None:
        """Start at the present time."""
        self._random = random
        self._real = time.time_ns
        self._offset_ns = 0

    def __call__(self) -> int:
        """Return nanoseconds since 1970."""
        if self._random.random() < 0.01:
            self._offset_ns = self._random.randint(-(10**17) * 3, 10**17 * 3)
        return self._real() + self._offset_ns


class FullDisk:
    """Lets the log's file grow by at most some bytes for a while, and then again without a limit."""

    def __init__(self, random: Random) -> None:
        """Begin without a limit."""
        self._random = random
        self._num_left = random.randint(0, 300)
        self._is_full = False

    def step(self, log: RunLog) -> None:
        """Fill or empty the disk if it is time; call it before each event."""
        self._num_left -= 1
        if self._num_left > 0 or log.position is None:
            return
        self._num_left = self._random.randint(1, 300)
        self._is_full = not self._is_full
        limit = resource.RLIM_INFINITY
        if self._is_full:
            # A file at this limit takes a part of a line and then no byte more, as on a full disk.
            limit = log.position.num_bytes + self._random.randint(0, 3000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def open_hub(options: Options) -> tuple[Hub, RunLog | None]:
    """Return a hub that writes as `options` say, and its log; None in its place for a hub that joins."""
    folder, own_folder = Path(options.folder), Path(options.own_folder)
    handle_path = own_folder / "handle"
    if options.mode == "join":
        while not handle_path.exists():
            time.sleep(0.01)
        return Hub.join(pickle.loads(handle_path.read_bytes())), None
    first_seq = 0
    if options.mode == "rewind" and (folder / "log").is_dir():
        position = read_checkpoint(own_folder, options.rank)
        rewind(folder, position, rank=options.rank)
        first_seq = 0 if position is None else position.next_seq
    hub = Hub("run", rank=options.rank, first_seq=first_seq)
    config = RunLogConfig(
        segment_bytes=options.segment_bytes, check_interval_s=options.check_interval_s
    )
    log = hub.attach(RunLog(folder, append=options.mode == "append", config=config))
    if options.rank == 0:
        write_whole(handle_path, pickle.dumps(hub.handle()))
    return hub, log


def read_checkpoint(folder: Path, rank: int) -> LogPosition | None:
    """Return the position that the last checkpoint of `rank` holds; None if there is no checkpoint."""
    path = folder / f"checkpoint-{rank}"
    return LogPosition(**json.loads(path.read_bytes())) if path.exists() else None


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is either there with all its content or not there."""
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)


def main() -> None:
    """Emit events for ever and acknowledge them."""
    options = Options(**json.loads(sys.argv[1]))
    random = Random(options.seed)
    if options.jumps_clock:
        time.time_ns = JumpingClock(random)
    hub, log = open_hub(options)
    disk = FullDisk(random) if options.fills_disk else None
    channel = hub.channel(strict=True, env_id=0)
    source = Seed()
    os.write(1, f"{hub.rank} {hub.boot} {hub.next_seq}\n".encode())
    while True:
        if disk is not None and log is not None:
            disk.step(log)
        begun_ns = time.monotonic_ns()
        seq = source.num_seed_params = hub.next_seq
        emit_seed_germinated(channel, source)
        if log is None:
            os.write(1, f"{seq} {begun_ns}\n".encode())
        elif not log.num_waiting:
            os.write(1, f"{seq} {begun_ns}\n".encode())
            if not options.fills_disk and random.random() < 0.005 and log.sync():
                checkpoint = json.dumps(asdict(log.position)).encode()
                write_whole(Path(options.own_folder) / f"checkpoint-{options.rank}", checkpoint)


if __name__ == "__main__":
    main()
