"""Breaks training, shipping and sinks, and counts the events that the log and each sink have in the end.

python benchmarks/telemetry_faults.py                   100 trials, and a table; half an hour
python benchmarks/telemetry_faults.py --quick           one trial of each case, three of kill -9
python benchmarks/telemetry_faults.py --results FILE    store each trial; the same command goes on after an interruption
python benchmarks/telemetry_faults.py --json            also print one line of JSON, as the last line
python benchmarks/telemetry_faults.py --write docs/benchmarks.md   put the table into the page, too

A trial starts a process that emits events and one that ships them, disturbs them at random moments, and ends the first by
SIGKILL or lets it finish. Then the rest is shipped, as a user would do. Every acknowledged event must be in the log (`lost`),
every event of the log in the sink (`missing`), and none twice (`doubled`; of the collector, none under two keys). Three columns
show that training does not wait for a sink:

- `ties`: sockets and pipes of the trainer, and files that it and a process of the shipper have open for writing. Without one of
  them there is nothing on which it could wait for the shipper.
- `slowdown`: the median time of an emission from the start of the sink on, with all that the case breaks, divided by the median
  before the shipper was started. The shipper's processes need a core of their own, or they slow the trainer.
- `longest_ms`: the longest time that an emission took in any process, which contains the pauses that the system gave the process.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from parts import Parts
from sections import write_section

from esper._generated.run import MetricsLoggedPayload
from esper.nissa.reader import read_run
from esper.nissa.shipping.log_sink import event_key

WORKERS = Path(__file__).with_name("fault_workers.py")
TIMEOUT_S = 300.0
_ALONE_EVENTS = 300
"""Events that the trainer emits before the shipper starts."""
CONFIG = """\
[defaults]
batch_events = 200
commit_interval_s = 0.2
poll_interval_s = 0.05
first_delay_s = 0.05
max_delay_s = 0.5
max_failures = 1000
hang_timeout_s = 5.0
end_grace_s = 0.5
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is broken in the trials of one row of the table."""

    name: str
    trials: int = 5
    fault: str = ""
    """How the sink misbehaves: raise, hang or slow."""
    num_shipper_kills: int = 0
    num_collector_kills: int = 0
    uses_collector: bool = False
    is_unreachable: bool = False
    """Whether the collector starts only when training has ended."""
    removes_folder: bool = False
    fills_disk: bool = False
    jumps_clock: bool = False
    num_events: int = -1
    """Events until the trainer ends; -1: it is killed."""
    pause_s: float = 0.001
    """Time between two events."""


CASES = (
    Case(name="nothing is broken"),
    Case(name="kill -9 of trainer and shipper", trials=50, num_shipper_kills=2),
    Case(name="disk full", fills_disk=True),
    Case(name="folder removed", removes_folder=True),
    Case(name="sink raises", fault="raise"),
    Case(name="sink hangs", fault="hang"),
    Case(name="sink is slow", fault="slow"),
    Case(name="collector unreachable at first", uses_collector=True, is_unreachable=True),
    Case(name="collector dies and returns", uses_collector=True, num_collector_kills=3),
    Case(name="burst of 100,000 events", num_events=100_000, pause_s=0.0),
    Case(name="clock jumps", jumps_clock=True, num_shipper_kills=1),
)


class Trainer:
    """The process that emits, and its acknowledgements."""

    def __init__(self, options: dict[str, object]) -> None:
        """Start it."""
        self.acknowledged: set[int] = set()
        self.longest_ms, self.newest_ns = 0.0, 0
        self.taken_us: list[float] = []
        self.process = subprocess.Popen(
            [sys.executable, str(WORKERS), json.dumps(options)], stdout=subprocess.PIPE, text=True
        )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def wait_for_event_after(self, time_ns: int) -> None:
        """Wait until an event after `time_ns` of the monotonic clock is acknowledged; TimeoutError if none is."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.newest_ns <= time_ns and self.process.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError("the trainer must emit events, but it does not")
            time.sleep(0.01)

    def wait_for_events(self, number: int) -> None:
        """Wait until that many events are acknowledged."""
        while len(self.taken_us) < number and self.process.poll() is None:
            self.wait_for_event_after(self.newest_ns)

    def count_ties(self, shipper: int) -> int:
        """Return how many sockets and pipes the trainer has, and files that the shipper has open for writing, too."""
        written_by_shipper = {
            one for pid in _processes_of(shipper) for one in _descriptors(pid, is_written=True)
        }
        num_ties = 0
        for one in _descriptors(self.process.pid, is_written=False):
            is_channel = stat.S_ISSOCK(one.mode) or stat.S_ISFIFO(one.mode)
            num_ties += is_channel or one in written_by_shipper
        return num_ties

    def end(self, *, is_killed: bool) -> None:
        """Kill it, or wait for its end, and read its last acknowledgements."""
        if is_killed:
            self.process.kill()
        self.process.wait()
        self._thread.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                step, longest_ms, taken_us, now_ns = line.split()
                self.acknowledged.add(int(step))
                self.longest_ms = float(longest_ms)
                self.taken_us.append(float(taken_us))
                self.newest_ns = int(now_ns)


class Trial:
    """One run that is disturbed."""

    def __init__(self, case: Case, random: Random, folder: Path) -> None:
        """Prepare a run in `folder`."""
        self.case, self.random = case, random
        self.run = folder / "run"
        self.config = folder / "ship.toml"
        self.config.write_text(CONFIG)
        self.received = folder / "received.txt"
        self.output = folder / "output.txt"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._collector: subprocess.Popen[bytes] | None = None

    def execute(self) -> dict[str, Any]:
        """Train, ship, disturb, catch up, and return the counts."""
        case = self.case
        trainer = Trainer(
            {
                "folder": str(self.run),
                "seed": self.random.getrandbits(32),
                "num_events": case.num_events,
                "pause_s": case.pause_s,
                "fills_disk": case.fills_disk,
                "jumps_clock": case.jumps_clock,
            }
        )
        shipper: subprocess.Popen[bytes] | None = None
        num_alone = num_begun = num_ties = 0
        try:
            trainer.wait_for_events(_ALONE_EVENTS)
            num_alone = len(trainer.taken_us)
            if case.uses_collector and not case.is_unreachable:
                self._start_collector()
            shipper = self._start_shipper()
            self._wait_for_worker(shipper)
            num_begun = len(trainer.taken_us)
            for _ in range(case.num_shipper_kills):
                self._pause()
                _kill_group(shipper)
                shipper = self._start_shipper()
            for _ in range(case.num_collector_kills):
                self._pause()
                self._kill_collector()
                self._pause()
                self._start_collector()
            self._pause()
            if case.removes_folder:
                shutil.rmtree(self.run, ignore_errors=True)
                # The log looks for its file after the interval of `fault_workers.py`, and makes it again.
                trainer.wait_for_event_after(time.monotonic_ns() + 200_000_000)
                self._pause()
            num_ties = trainer.count_ties(shipper.pid)
            trainer.end(is_killed=case.num_events < 0)
            if case.is_unreachable:
                self._start_collector()
            _kill_group(shipper)
            self._catch_up()
        finally:
            trainer.process.kill()
            trainer.end(is_killed=True)
            if shipper is not None:
                _kill_group(shipper)
            self._kill_collector()
        return self._counts(trainer) | {
            "ties": num_ties,
            "alone_us": median(trainer.taken_us[:num_alone]),
            "shipped_us": median(trainer.taken_us[num_begun:] or trainer.taken_us[num_alone:]),
        }

    def _pause(self) -> None:
        time.sleep(self.random.uniform(0.2, 2.0))

    def _command(self, *more: str) -> list[str]:
        argument = str(self.port) if self.case.uses_collector else self.case.fault
        sink = "CollectorSink" if self.case.uses_collector else "LinesSink"
        target = f"{WORKERS}:{sink}" + (f":{argument}" if argument else "")
        command = [sys.executable, "-m", "esper", "ship", str(self.run), "--to", target]
        return [*command, "--config", str(self.config), *more]

    def _start_shipper(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            return subprocess.Popen(
                self._command("--follow"), stdout=output, stderr=output, start_new_session=True
            )

    def _wait_for_worker(self, shipper: subprocess.Popen[bytes]) -> None:
        """Wait until the process of the sink has begun."""
        while not list(self.run.glob("ship/*/log/*.jsonl")) and shipper.poll() is None:
            time.sleep(0.01)

    def _start_collector(self) -> None:
        command = [sys.executable, str(WORKERS), "collect", str(self.port), str(self.received)]
        self._collector = subprocess.Popen(command)

    def _kill_collector(self) -> None:
        if self._collector is not None:
            self._collector.kill()
            self._collector.wait()

    def _catch_up(self) -> None:
        """Ship the rest.

        Raises:
            RuntimeError: that is impossible.
        """
        with self.output.open("ab") as output:
            for _ in range(10):
                # A worker of a shipper that was killed ends a moment after it.
                done = subprocess.run(
                    self._command(), stdout=output, stderr=output, timeout=TIMEOUT_S, check=False
                )
                if done.returncode == 0:
                    return
                time.sleep(1.0)
        raise RuntimeError(f"the run cannot be shipped: {self.output.read_text()[-2000:]}")

    def _counts(self, trainer: Trainer) -> dict[str, Any]:
        logged = [one for one in read_run(self.run) if isinstance(one[1], MetricsLoggedPayload)]
        steps = Counter(one[1].step for one in logged if isinstance(one[1], MetricsLoggedPayload))
        path = self.received if self.case.uses_collector else self.run / "lines.txt"
        arrived = Counter(path.read_text().splitlines())
        keys = {event_key(one) for one in logged}
        is_keyed = self.case.uses_collector
        return {
            "trials": 1,
            "acknowledged": len(trainer.acknowledged),
            "logged": len(logged),
            "arrived": len(arrived),
            "lost": len(trainer.acknowledged - steps.keys()),
            "missing": len(keys - arrived.keys()),
            "doubled": len(logged) - len(steps)
            + len(arrived.keys() - keys)
            + (0 if is_keyed else arrived.total() - len(arrived)),
            "longest_ms": trainer.longest_ms,
        }  # fmt: skip


@dataclass(frozen=True)
class Descriptor:
    """What a descriptor of a process refers to."""

    device: int
    inode: int
    mode: int


def _descriptors(pid: int, *, is_written: bool) -> list[Descriptor]:
    """Return the descriptors of a process but its standard streams; with `is_written`, those that it can write only."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            flags = Path(f"/proc/{pid}/fdinfo/{path.name}").read_text().split("flags:")[1].split()
            if int(path.name) > 2 and (not is_written or int(flags[0], 8) & os.O_ACCMODE):
                status = path.stat()
                found.append(Descriptor(status.st_dev, status.st_ino, status.st_mode))
    return found


def _processes_of(shipper: int) -> list[int]:
    """Return a process and those that it has started, directly or not: a worker for each sink is in a session of its own."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            # The name of the program before this may hold spaces, and ends with a parenthesis.
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    found = [shipper]
    for parent in found:
        found += [child for child, one in parents.items() if one == parent]
    return found


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a shipper; its workers notice that and end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_trial(case: Case, number: int) -> dict[str, Any]:
    """Return the counts of one trial."""
    with tempfile.TemporaryDirectory() as name:
        return Trial(case, Random(f"{case.name} {number}"), Path(name)).execute()


def add(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums of counts; of the longest times, the longest."""
    total: dict[str, Any] = {}
    for result in results:
        for key, value in result.items():
            old = total.get(key, 0)
            total[key] = max(old, value) if key == "longest_ms" else old + value
    return total


def _with_slowdown(counts: dict[str, Any]) -> dict[str, Any]:
    """Return counts with the ratio of the two times."""
    shown = {name: value for name, value in counts.items() if not name.endswith("_us")}
    return shown | {"slowdown": round(counts["shipped_us"] / counts["alone_us"], 2)}


def to_table(rows: dict[str, dict[str, Any]]) -> str:
    """Return the counts as a Markdown table, with their sums in the last row."""
    rows = rows | {"all": add(list(rows.values()))}
    rows = {name: _with_slowdown(counts) for name, counts in rows.items()}
    names = list(rows["all"])
    lines = [f"| case | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for case, counts in rows.items():
        lines.append(f"| {case} | {' | '.join(f'{counts[name]:,.6g}' for name in names)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the trials and print the counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few trials of each case")
    parser.add_argument("--json", action="store_true", help="also print JSON, as the last line")
    parser.add_argument("--results", type=Path, metavar="FILE", help="store each trial")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the table into PAGE, too")
    options = parser.parse_args()
    parts = Parts(options.results)
    rows = {}
    for case in CASES:
        trials = (3 if case.trials > 5 else 1) if options.quick else case.trials
        results = []
        for number in range(trials):
            name = json.dumps([asdict(case), number])
            results.append(
                parts.get(name, lambda case=case, number=number: run_trial(case, number))
            )
        rows[case.name] = add(results)
        print(f"{case.name}: {rows[case.name]}", file=sys.stderr, flush=True)
    table = to_table(rows)
    print(table)
    if options.write:
        write_section(options.write, "benchmarks/telemetry_faults.py", table)
    if options.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
