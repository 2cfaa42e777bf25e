"""Measures how long one event takes from emission to the file, compared with common loggers, and to read back.

python benchmarks/hub.py            a table, then JSON
python benchmarks/hub.py --json     only JSON, as the last line

Every writer captures SEED_STAGE_CHANGED from the same source, adds a number and the time, and passes a whole line of
JSON to the operating system before it returns. Only the hub validates the values.
"""

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from esper._generated.enums import SeedStage
from esper._generated.lifecycle import emit_seed_stage_changed
from esper._generated.registry import VERSION
from esper.leyline.channel import SILENT, TelemetryChannel
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.reader import read_run

Emit = Callable[[], None]


class Seed:
    """A source of lifecycle events with constant values."""

    slot_id = "r0c0"
    blueprint_id = "conv_small"
    num_seed_params = 148
    alpha = 0.5
    blend_tempo_epochs = 5
    epochs_in_stage = 4
    has_gradient_health = True
    gradient_ratio = 0.31
    has_vanishing = False
    has_exploding = False
    total_improvement = 1.5
    epochs_total = 9
    contribution = 0.75


SEED = Seed()


def emit_on(channel: TelemetryChannel) -> Emit:
    """Return a function that calls the generated helper with its arguments."""
    return lambda: emit_seed_stage_changed(
        channel,
        SEED,
        from_stage=SeedStage.TRAINING,
        to_stage=SeedStage.BLENDING,
        accuracy_delta=1.5,
        epochs_in_stage=4,
    )


def capture(seq: int) -> dict[str, object]:
    """Return the line that the hub writes, as a dict built by hand."""
    return {
        "seq": seq,
        "t_wall_ns": time.time_ns(),
        "t_mono_ns": time.monotonic_ns(),
        "run": "benchmark",
        "rank": 0,
        "boot": "0123456789abcdef",
        "epoch": None,
        "event": "SEED_STAGE_CHANGED",
        "v": VERSION,
        "payload": {
            "slot_id": SEED.slot_id,
            "from_stage": SeedStage.TRAINING.name,
            "to_stage": SeedStage.BLENDING.name,
            "alpha": SEED.alpha,
            "accuracy_delta": 1.5,
            "epochs_in_stage": 4,
            "grad_ratio": SEED.gradient_ratio,
            "has_vanishing": SEED.has_vanishing,
            "has_exploding": SEED.has_exploding,
            "env_id": 0,
        },
    }


@contextmanager
def hub_to_log(folder: Path) -> Iterator[Emit]:
    """Emit through a hub to its run log."""
    with Hub("benchmark") as hub:
        hub.attach(RunLog(folder))
        yield emit_on(hub.channel(env_id=0))


@contextmanager
def silent_channel(folder: Path) -> Iterator[Emit]:
    """Emit on a channel without a listener."""
    yield emit_on(SILENT)


@contextmanager
def json_unbuffered(folder: Path) -> Iterator[Emit]:
    """Write to an unbuffered file with the encoder of the standard library."""
    with (folder / "events.jsonl").open("wb", buffering=0) as file:
        numbers = iter(range(2**63))
        yield lambda: _write(file.write, capture(next(numbers)))


def _write(write: Callable[[bytes], int | None], line: dict[str, object]) -> None:
    write(json.dumps(line).encode() + b"\n")


@contextmanager
def stdlib_logging(folder: Path) -> Iterator[Emit]:
    """Log JSON as the message with the standard library's `logging`."""
    logger = logging.Logger("benchmark", level=logging.INFO)
    handler = logging.FileHandler(folder / "events.jsonl")
    logger.addHandler(handler)
    numbers = iter(range(2**63))
    yield lambda: logger.info(json.dumps(capture(next(numbers))))
    handler.close()


WRITERS = {
    "hub": hub_to_log,
    "silent": silent_channel,
    "json": json_unbuffered,
    "logging": stdlib_logging,
}


def write_us(num_events: int, repeats: int) -> dict[str, float]:
    """Return microseconds per event for each writer: the minimum of interleaved repeats."""
    best = dict.fromkeys(WRITERS, float("inf"))
    for _ in range(repeats):
        for name, writer in WRITERS.items():
            with tempfile.TemporaryDirectory() as folder, writer(Path(folder)) as emit:
                started = time.perf_counter()
                for _ in range(num_events):
                    emit()
                elapsed = time.perf_counter() - started
            best[name] = min(best[name], elapsed / num_events * 1e6)
    return best


def read_us(num_events: int, repeats: int) -> dict[str, float]:
    """Return microseconds per event for reading a log with validation, and for `json.loads` without."""
    best = {"reader": float("inf"), "json": float("inf")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with hub_to_log(folder) as emit:
            for _ in range(num_events):
                emit()
        (file,) = (folder / "log").iterdir()
        for _ in range(repeats):
            started = time.perf_counter()
            assert sum(1 for _ in read_run(folder)) == num_events
            middle = time.perf_counter()
            with file.open("rb") as lines:
                assert sum(1 for _ in map(json.loads, lines)) == num_events
            ended = time.perf_counter()
            best["reader"] = min(best["reader"], (middle - started) / num_events * 1e6)
            best["json"] = min(best["json"], (ended - middle) / num_events * 1e6)
    return best


def main() -> None:
    """Measure, and print a table and the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=20_000, help="events per repeat")
    parser.add_argument(
        "--repeats", type=int, default=7, help="repeats, of which the minimum counts"
    )
    parser.add_argument("--json", action="store_true", help="print only JSON")
    options = parser.parse_args()
    writing = write_us(options.events, options.repeats)
    reading = read_us(options.events, options.repeats)
    if not options.json:
        for title, results, ours in (("write", writing, "hub"), ("read", reading, "reader")):
            for name, cost in results.items():
                print(
                    f"{title:<6} {name:<8} {cost:7.2f} us per event  {cost / results[ours]:6.2f} x"
                )
    ratios = {
        "write": {name: writing["hub"] / writing[name] for name in ("json", "logging")},
        "read": {"json": reading["reader"] / reading["json"]},
    }
    print(json.dumps({"us": {"write": writing, "read": reading}, "ratio": ratios}))


if __name__ == "__main__":
    main()
