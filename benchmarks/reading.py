"""Measures how long reading and linting a log takes, compared with `json.loads` of its lines, and the memory it needs.

python benchmarks/reading.py                    tables, then JSON
python benchmarks/reading.py --json             only JSON, as the last line
python benchmarks/reading.py --events 100000    a smaller log; the memory is compared with a tenth of it

Every way reads the same files, each in a process of its own, which measures its time and its largest resident memory.
The ways take turns; the least time of each counts.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from esper._generated.enums import SeedStage, Severity
from esper._generated.lifecycle import emit_seed_stage_changed
from esper._generated.run import emit_epoch_completed
from esper.leyline.channel import TelemetryChannel
from esper.nissa.hub import Hub
from esper.nissa.lint import LogLint
from esper.nissa.log import RunLog
from esper.nissa.reader import read_run
from esper.tolaria.training.reports import EpochReport

NUM_EVENTS = 1_000_000
REPEATS = 3
LIMITS = {"read_run": 1.2, "lint": 1.5}
"""Highest time of each way, in multiples of the time of json.loads."""
MAX_GROWTH = 1.1
"""Highest memory for the whole log, in multiples of that for a tenth of it."""


class Seed:
    """A source of lifecycle events."""

    slot_id = "r0c0"
    blueprint_id = "conv_small"
    alpha = 0.5
    has_gradient_health = True
    gradient_ratio = 0.31
    has_vanishing = False
    has_exploding = False


def emit(channel: TelemetryChannel, number: int) -> None:
    """Emit a stage change, and every hundredth time the end of an epoch."""
    if number % 100 == 99:
        channel.advance(epoch=number // 100 + 1)
        emit_epoch_completed(channel, make_report(number))
    else:
        emit_seed_stage_changed(
            channel,
            Seed(),
            from_stage=SeedStage.TRAINING,
            to_stage=SeedStage.BLENDING,
            accuracy_delta=1 / (number + 3),
            epochs_in_stage=number % 50,
        )


def make_report(number: int) -> EpochReport:
    """Return the report of an epoch without seeds."""
    return EpochReport(
        train_loss=2.3 / (number + 1),
        train_accuracy=91.25,
        val_loss=2.5 / (number + 1),
        val_accuracy=90.83333333333333,
        host_grad_norm=1.37,
        learning_rate=0.05,
        num_params=4821,
        severity=Severity.OK,
        seeds=(),
        duration_s=0.41,
    )


def write_log(folder: Path, num_events: int) -> None:
    """Write a log of `num_events` events."""
    with Hub("run") as hub:
        hub.attach(RunLog(folder))
        channel = hub.channel(env_id=0, strict=True)
        for number in range(num_events):
            emit(channel, number)


def load_lines(folder: Path) -> Iterator[object]:
    """Yield every line of a log as `json.loads` returns it."""
    for path in sorted(folder.glob("log/*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                yield json.loads(line)


WAYS: dict[str, Callable[[Path], Iterator[object]]] = {
    "json.loads": load_lines,
    "read_run": lambda folder: iter(read_run(folder)),
    "lint": lambda folder: iter(LogLint(folder)),
}


def measure_here(way: str, folder: Path) -> None:
    """Read a log and print time and memory of this process as JSON."""
    start = time.process_time()
    num_items = sum(1 for _ in WAYS[way](folder))
    seconds = time.process_time() - start
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes.
    megabytes = kilobytes / (2**20 if sys.platform == "darwin" else 2**10)
    print(json.dumps({"seconds": seconds, "megabytes": megabytes, "num_items": num_items}))


def measure(way: str, folder: Path) -> dict[str, float]:
    """Return time and memory of a new process that reads a log."""
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    measured: dict[str, float] = json.loads(printed)
    return measured


def run(num_events: int, repeats: int) -> dict[str, object]:
    """Return the least time of each way, its ratio to json.loads, and how its memory grows."""
    with tempfile.TemporaryDirectory() as temporary:
        folders = {size: Path(temporary, str(size)) for size in (num_events // 10, num_events)}
        for size, folder in folders.items():
            write_log(folder, size)
        small = {way: measure(way, folders[num_events // 10]) for way in WAYS}
        rounds = [{way: measure(way, folders[num_events]) for way in WAYS} for _ in range(repeats)]
    base = min(one["json.loads"]["seconds"] for one in rounds)
    ways = {}
    for way in WAYS:
        seconds = min(one[way]["seconds"] for one in rounds)
        megabytes = max(one[way]["megabytes"] for one in rounds)
        ways[way] = {
            "us_per_event": 1e6 * seconds / num_events,
            "ratio": seconds / base,
            "megabytes": megabytes,
            "growth": megabytes / small[way]["megabytes"],
            "num_items": rounds[0][way]["num_items"],
        }
    return {"num_events": num_events, "ways": ways, "limits": LIMITS, "max_growth": MAX_GROWTH}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument("--events", type=int, default=NUM_EVENTS, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="default: %(default)s")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        measure_here(options.way, options.folder)
        return
    results = run(options.events, options.repeats)
    if not options.json:
        print_table(results)
    print(json.dumps(results))


def print_table(results: dict[str, object]) -> None:
    """Print a row for each way."""
    ways = results["ways"]
    assert isinstance(ways, dict)
    print(f"{results['num_events']:,} events\n")
    print("| way | us an event | x json.loads | limit | MB | x a tenth of the log |")
    print("|---|---|---|---|---|---|")
    for way, one in ways.items():
        limit = LIMITS.get(way, "")
        print(
            f"| {way} | {one['us_per_event']:.2f} | {one['ratio']:.2f} | {limit}"
            f" | {one['megabytes']:.1f} | {one['growth']:.2f} |"
        )
    print()


if __name__ == "__main__":
    main()
