"""Counts the events that a run log loses when its writers are killed: kills them at random moments and reads the log.

python benchmarks/kills.py             kill the writers of 50 runs and print a table; some minutes
python benchmarks/kills.py --kills 6   one run of each kind
python benchmarks/kills.py --json      also print one line of JSON, as the last line

Each writer acknowledges an event once its emission helper has returned; see `kill_writer.py`. After SIGKILL every
acknowledged event must be found exactly once. Events after the last acknowledgement may be found or not, and each killed
process may leave one torn line.

While the disk is full, events wait in memory and are not acknowledged. A folder that is removed takes its events with it
until the log has made it again, so writers are killed later than that: after an event that was begun when the log's
interval between two checks of its files had passed.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from random import Random

from esper._generated.lifecycle import SeedGerminatedPayload
from esper.leyline.errors import RunNotFoundError
from esper.nissa.reader import read_run

WRITER = Path(__file__).with_name("kill_writer.py")
CHECK_INTERVAL_S = 0.05
TIMEOUT_S = 60.0

EventKey = tuple[int, str, int]
"""Rank, boot id and number of an event."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How the runs of one row of the table are written and killed."""

    name: str
    num_ranks: int = 1
    num_joined: int = 0
    """Processes that join the run of rank 0: `Hub.join(handle)`."""
    later_mode: str = "new"
    """How the processes that follow killed ones continue: `rewind` or `append`."""
    num_lives: int = 1
    """How often all writers of a run are started and killed."""
    jumps_clock: bool = False
    fills_disk: bool = False
    num_removals: int = 0
    """How often the run's folder is removed before the kill."""


KINDS = (
    Kind(name="one writer"),
    Kind(name="three ranks and two joined processes", num_ranks=3, num_joined=2),
    Kind(name="full disk", fills_disk=True),
    Kind(name="folder removed, two ranks", num_ranks=2, num_removals=2),
    Kind(name="clock jumps, two ranks, rewind", num_ranks=2, num_lives=2, later_mode="rewind", jumps_clock=True),
    Kind(name="rewind, three lives", num_lives=3, later_mode="rewind"),
    Kind(name="append, three lives", num_lives=3, later_mode="append"),
)  # fmt: skip


@dataclass(kw_only=True)
class Outcome:
    """Counts of killed runs."""

    runs: int = 0
    kills: int = 0
    """Processes killed."""
    acknowledged: int = 0
    found: int = 0
    """Acknowledged events that are in the log, or, if a rewind has moved them away, among the superseded ones."""
    lost: int = 0
    doubled: int = 0
    gaps: int = 0
    damaged: int = 0
    torn: int = 0

    def add(self, other: "Outcome") -> None:
        """Add the counts of `other`."""
        for one in fields(Outcome):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


class WriterProcess:
    """A process of `kill_writer.py`, and the acknowledgements it has sent."""

    def __init__(self, options: dict[str, object], errors: Path) -> None:
        """Start it with `options`; its standard error goes to the file `errors`."""
        self.key: tuple[int, str] | None = None
        self.first_seq = 0
        self.end_seq = 0
        self.begun_ns = 0
        self._errors = errors
        with errors.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, str(WRITER), json.dumps(options)],
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def wait_for(self, is_true: Callable[["WriterProcess"], bool]) -> None:
        """Wait until the acknowledgements satisfy a condition.

        Raises:
            RuntimeError: the process has ended, or the condition is still false after `TIMEOUT_S`.
        """
        deadline = time.monotonic() + TIMEOUT_S
        while not is_true(self):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"a writer must go on until it is killed, but it ended or stopped: {self._errors.read_text()}"
                )
            time.sleep(0.001)

    def kill(self) -> None:
        """Kill the process and read its last acknowledgements.

        Raises:
            RuntimeError: it has ended of itself.
        """
        self._process.kill()
        if self._process.wait() != -signal.SIGKILL:
            raise RuntimeError(f"a writer ended before it was killed: {self._errors.read_text()}")
        self._thread.join()

    def stop(self) -> None:
        """End the process, however far it is."""
        self._process.kill()
        self._process.wait()
        self._thread.join()

    @property
    def acknowledged(self) -> set[EventKey]:
        """The events it has acknowledged."""
        if self.key is None:
            return set()
        rank, boot = self.key
        return {(rank, boot, seq) for seq in range(self.first_seq, self.end_seq)}

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            rank, boot, first_seq = (lines.readline().split() or ["", "", "0"])[:3]
            if not boot:
                return
            self.first_seq = self.end_seq = int(first_seq)
            self.key = int(rank), boot
            for line in lines:
                seq, begun_ns = map(int, line.split())
                self.end_seq = seq + 1
                self.begun_ns = begun_ns


@dataclass
class KilledRun:
    """One run, whose writers are killed and perhaps followed by others."""

    kind: Kind
    random: Random
    folder: Path
    own_folder: Path
    kept: set[EventKey] = field(default_factory=set)
    moved: set[EventKey] = field(default_factory=set)
    kills: int = 0

    def write(self) -> None:
        """Start and kill the writers as often as the kind says."""
        for life in range(self.kind.num_lives):
            mode = "new" if life == 0 else self.kind.later_mode
            if mode == "rewind":
                self._expect_rewind()
            (self.own_folder / "handle").unlink(missing_ok=True)
            modes = [(mode, rank) for rank in range(self.kind.num_ranks)]
            modes += [("join", 0)] * self.kind.num_joined
            writers = [self._start(*one) for one in modes]
            try:
                self._kill(writers)
            finally:
                for writer in writers:
                    writer.stop()
            for writer in writers:
                self.kept |= writer.acknowledged

    def _start(self, mode: str, rank: int) -> WriterProcess:
        options: dict[str, object] = {
            "folder": str(self.folder),
            "own_folder": str(self.own_folder),
            "mode": mode,
            "rank": rank,
            "seed": self.random.getrandbits(32),
            "segment_bytes": self._segment_bytes(),
            "check_interval_s": CHECK_INTERVAL_S,
            "jumps_clock": self.kind.jumps_clock,
            "fills_disk": self.kind.fills_disk,
        }
        return WriterProcess(options, self.own_folder / "stderr")

    def _segment_bytes(self) -> int:
        """Return a size at which files are often full, or, where files must not be lost, never."""
        if self.kind.num_removals or self.random.random() < 0.5:
            return 2**30
        return 50_000

    def _kill(self, writers: list[WriterProcess]) -> None:
        """Kill each writer at a random moment, mostly after its first event, sometimes while it starts."""
        is_early = self.random.random() < 0.15 and not self.kind.num_joined
        if not is_early or self.kind.num_removals:
            for writer in writers:
                writer.wait_for(lambda one: one.begun_ns > 0)
        for _ in range(self.kind.num_removals):
            self._remove(writers)
        self.random.shuffle(writers)
        for writer in writers:
            time.sleep(self.random.uniform(0, 0.5 if is_early else 0.3))
            writer.kill()
            self.kills += 1

    def _remove(self, writers: list[WriterProcess]) -> None:
        """Remove the run's folder, and wait until every writer has had the time to notice."""
        time.sleep(self.random.uniform(0, 0.2))
        shutil.rmtree(self.folder, ignore_errors=True)
        noticed_ns = time.monotonic_ns() + int(CHECK_INTERVAL_S * 1e9)
        for writer in writers:
            writer.wait_for(lambda one: one.begun_ns > noticed_ns)

    def _expect_rewind(self) -> None:
        """Expect the events after the last checkpoint of each rank among the superseded ones."""
        for rank in range(self.kind.num_ranks):
            path = self.own_folder / f"checkpoint-{rank}"
            end_seq = json.loads(path.read_bytes())["next_seq"] if path.exists() else 0
            self.moved |= {key for key in self.kept if key[0] == rank and key[2] >= end_seq}
        self.kept -= self.moved

    def outcome(self) -> Outcome:
        """Read the log and compare it with the acknowledgements."""
        found: Counter[EventKey] = Counter()
        outcome = Outcome(runs=1, kills=self.kills, acknowledged=len(self.kept) + len(self.moved))
        try:
            events = read_run(self.folder)
        except RunNotFoundError:
            outcome.lost = outcome.acknowledged
            return outcome
        for envelope, payload in events:
            if isinstance(payload, SeedGerminatedPayload) and payload.params == envelope.seq:
                found[envelope.rank, envelope.boot, envelope.seq] += 1
        # A process that is killed before it has rewound the log leaves the events where they were.
        missing = (self.kept | (self.moved - self._superseded())) - found.keys()
        outcome.lost = len(missing)
        outcome.found = outcome.acknowledged - outcome.lost
        by_number = Counter((rank, seq) for rank, _, seq in found.elements())
        outcome.doubled = by_number.total() - len(by_number)
        outcome.gaps, outcome.damaged = events.num_gaps, events.num_damaged
        outcome.torn = len(events.torn)
        return outcome

    def _superseded(self) -> set[EventKey]:
        keys = set()
        for path in (self.folder / "log" / "superseded").glob("*.jsonl"):
            for line in path.read_bytes().split(b"\n")[:-1]:
                event = json.loads(line)
                keys.add((event["rank"], event["boot"], event["seq"]))
        return keys


def kill_run(kind: Kind, random: Random) -> Outcome:
    """Write one run, kill its writers, and compare its log with their acknowledgements."""
    with tempfile.TemporaryDirectory() as name:
        own_folder = Path(name) / "own"
        own_folder.mkdir()
        run = KilledRun(kind, random, Path(name) / "run", own_folder)
        run.write()
        return run.outcome()


def run_campaign(num_runs: int, seed: int) -> dict[str, Outcome]:
    """Kill the writers of `num_runs` runs, the kinds in turn, and return the counts of each kind."""
    random = Random(seed)
    outcomes = {kind.name: Outcome() for kind in KINDS}
    for number in range(num_runs):
        kind = KINDS[number % len(KINDS)]
        outcomes[kind.name].add(kill_run(kind, random))
    return outcomes


def to_table(outcomes: dict[str, Outcome]) -> str:
    """Return the counts as a Markdown table, with their sums in the last row."""
    total = Outcome()
    for outcome in outcomes.values():
        total.add(outcome)
    names = [one.name for one in fields(Outcome)]
    lines = [
        "| " + " | ".join(["kind", *names]) + " |",
        "|---|" + "---:|" * len(names),
    ]
    for name, outcome in (*outcomes.items(), ("all", total)):
        counts = [f"{count:,}" for count in asdict(outcome).values()]
        lines.append("| " + " | ".join([name, *counts]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the campaign and print the counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--kills", type=int, default=50, metavar="N", help="runs whose writers are killed"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random choices")
    parser.add_argument("--json", action="store_true", help="also print JSON, as the last line")
    options = parser.parse_args()
    outcomes = run_campaign(options.kills, options.seed)
    print(to_table(outcomes))
    if options.json:
        print(json.dumps({name: asdict(outcome) for name, outcome in outcomes.items()}))


if __name__ == "__main__":
    main()
