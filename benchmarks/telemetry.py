"""Measures what telemetry costs a training process, compared with other loggers, and how fast runs are shipped.

python benchmarks/telemetry.py                    a table, then JSON; 15 minutes
python benchmarks/telemetry.py --quick            a few repeats of few events
python benchmarks/telemetry.py --json             only JSON, as the last line
python benchmarks/telemetry.py --results FILE     store each part; the same command goes on after an interruption

One event has twelve values: EPOCH_COMPLETED and its epoch. Each logger gets the same values from the same source and adds a
number and the time. `log_map` is METRICS_LOGGED, with twelve values under names that the caller chooses. The log, `json` and
`logging` have passed the line to the operating system when the call returns; the others promise less.

`overhead_all_sinks` is the time of a loop that computes and emits about 1,000 events a second, with its log and a process that
ships it to every sink that is installed, divided by that of the same loop without telemetry; the start of both is left out.
`lost` counts events of the log that a sink does not have in the end. Libraries that are not installed are listed as absent.
"""

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch
from parts import Parts

from esper._generated.enums import Severity
from esper._generated.registry import VERSION
from esper._generated.run import emit_epoch_completed, emit_metrics_logged
from esper.leyline.channel import SILENT, TelemetryChannel
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog, RunLogConfig
from esper.nissa.reader import read_run
from esper.nissa.shipping.progress_file import SHIP_FOLDER
from esper.nissa.shipping.registry import BUILT_IN, load_sink
from esper.nissa.shipping.status import read_status

Emit = Callable[[int], object]


class Epoch:
    """A source of EPOCH_COMPLETED with constant values."""

    train_loss = 0.51
    train_accuracy = 81.5
    val_loss = 0.62
    val_accuracy = 79.25
    host_grad_norm = 1.75
    learning_rate = 0.05
    num_params = 1009
    severity = Severity.OK
    seeds = ()
    duration_s = 1.5


EPOCH = Epoch()
VALUES = {f"value_{number}": 0.1 + number for number in range(12)}
_STEPS_PER_S = 1000
_PIECE_EVENTS = 100
"""Events that are timed together: about a millisecond, so that another process of the machine disturbs few of the pieces."""


@contextmanager
def esper_log(folder: Path) -> Iterator[Emit]:
    """Emit through a hub to its run log."""
    with Hub("benchmark") as hub:
        hub.attach(RunLog(folder))
        yield emit_on(hub.channel(env_id=0))


@contextmanager
def esper_log_map(folder: Path) -> Iterator[Emit]:
    """Emit twelve values by name through a hub to its run log."""
    with Hub("benchmark") as hub:
        hub.attach(RunLog(folder))
        yield emit_metrics_on(hub.channel(env_id=0))


def emit_on(channel: TelemetryChannel) -> Emit:
    """Return a function that emits an event with twelve values."""
    return lambda step: emit_epoch_completed(channel, EPOCH)


def emit_metrics_on(channel: TelemetryChannel) -> Emit:
    """Return a function that emits twelve values by name."""
    return lambda step: emit_metrics_logged(channel, step=step, metrics=VALUES, num_left_out=0)


def values_of(step: int) -> dict[str, object]:
    """Return the twelve values, read from the source as the emission helper does."""
    return {
        "epoch": step,
        "train_loss": EPOCH.train_loss,
        "train_accuracy": EPOCH.train_accuracy,
        "val_loss": EPOCH.val_loss,
        "val_accuracy": EPOCH.val_accuracy,
        "host_grad_norm": EPOCH.host_grad_norm,
        "learning_rate": EPOCH.learning_rate,
        "num_params": EPOCH.num_params,
        "severity": EPOCH.severity.name,
        "seeds": EPOCH.seeds,
        "duration_s": EPOCH.duration_s,
        "env_id": 0,
    }


def record(step: int) -> dict[str, object]:
    """Return the line that the log writes, as a dict built by hand."""
    return {
        "seq": step,
        "t_wall_ns": time.time_ns(),
        "t_mono_ns": time.monotonic_ns(),
        "run": "benchmark",
        "rank": 0,
        "boot": "0123456789abcdef",
        "event": "EPOCH_COMPLETED",
        "v": VERSION,
        "payload": values_of(step),
    }


@contextmanager
def json_unbuffered(folder: Path) -> Iterator[Emit]:
    """Write `json.dumps` to an unbuffered file."""
    with (folder / "events.jsonl").open("wb", buffering=0) as file:
        yield lambda step: file.write(json.dumps(record(step)).encode() + b"\n")


@contextmanager
def stdlib_logging(folder: Path) -> Iterator[Emit]:
    """Log JSON with the standard library."""
    logger = logging.Logger("benchmark", level=logging.INFO)
    handler = logging.FileHandler(folder / "events.jsonl")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    yield lambda step: logger.info(json.dumps(record(step)))
    handler.close()


@contextmanager
def structlog_file(folder: Path) -> Iterator[Emit]:
    """Log JSON with structlog, to a file with line buffering."""
    import structlog

    with (folder / "events.jsonl").open("w", buffering=1) as file:
        logger = structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.JSONRenderer(),
            ],
        )
        yield lambda step: logger.info("EPOCH_COMPLETED", **values_of(step))


@contextmanager
def loguru_file(folder: Path) -> Iterator[Emit]:
    """Log JSON with loguru, serialised."""
    from loguru import logger

    logger.remove()
    number = logger.add(folder / "events.jsonl", serialize=True)
    yield lambda step: logger.bind(**values_of(step)).info("EPOCH_COMPLETED")
    logger.remove(number)


@contextmanager
def tensorboard_one(folder: Path) -> Iterator[Emit]:
    """Write one scalar with PyTorch's SummaryWriter."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:  # type: ignore[no-untyped-call]
        yield lambda step: writer.add_scalar("value_0", VALUES["value_0"], step)


@contextmanager
def tensorboard_twelve(folder: Path) -> Iterator[Emit]:
    """Write all twelve as scalars with PyTorch's SummaryWriter."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:  # type: ignore[no-untyped-call]

        def emit(step: int) -> None:
            for name, value in VALUES.items():
                writer.add_scalar(name, value, step)

        yield emit


@contextmanager
def wandb_offline(folder: Path) -> Iterator[Emit]:
    """Log to an offline run of Weights & Biases."""
    import wandb

    run = wandb.init(mode="offline", dir=str(folder), settings=wandb.Settings(silent=True))
    yield lambda step: run.log(values_of(step), step=step)
    run.finish()


@contextmanager
def otel_logs(folder: Path) -> Iterator[Emit]:
    """Emit log records of the OpenTelemetry SDK in batches to its console exporter, which writes to a file."""
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogExporter

    with (folder / "events.txt").open("w") as file:
        provider = LoggerProvider()
        provider.add_log_record_processor(BatchLogRecordProcessor(ConsoleLogExporter(out=file)))
        logger = logging.Logger("benchmark", level=logging.INFO)
        logger.addHandler(LoggingHandler(logger_provider=provider))
        yield lambda step: logger.info("EPOCH_COMPLETED", extra=values_of(step))
        provider.shutdown()


LOGGERS: dict[str, tuple[Callable[[Path], AbstractContextManager[Emit]], str | None]] = {
    "log": (esper_log, None),
    "log_map": (esper_log_map, None),
    "json": (json_unbuffered, None),
    "logging": (stdlib_logging, None),
    "structlog": (structlog_file, "structlog"),
    "loguru": (loguru_file, "loguru"),
    "tensorboard_1": (tensorboard_one, "tensorboard"),
    "tensorboard_12": (tensorboard_twelve, "tensorboard"),
    "wandb_offline": (wandb_offline, "wandb"),
    "otel": (otel_logs, "opentelemetry"),
}
"""Loggers, and the module that each needs."""


def emit_us(num_events: int, repeats: int) -> dict[str, float]:
    """Return microseconds that the caller waits for an event, for each logger: the median of pieces of interleaved repeats."""
    pieces: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name, (open_logger, module) in LOGGERS.items():
            if module is not None and find_spec(module) is None:
                continue
            with tempfile.TemporaryDirectory() as folder, open_logger(Path(folder)) as emit:
                emit(0)
                for first in range(1, num_events, _PIECE_EVENTS):
                    started = time.perf_counter()
                    for step in range(first, first + _PIECE_EVENTS):
                        emit(step)
                    elapsed_us = (time.perf_counter() - started) * 1e6
                    pieces.setdefault(name, []).append(elapsed_us / _PIECE_EVENTS)
    return {name: median(times) for name, times in pieces.items()}


def installed_sinks() -> list[str]:
    """Return the names of Esper's sinks whose packages are installed and that need no argument."""
    found = []
    for name in BUILT_IN:
        if all(find_spec(module) is not None for module in load_sink(name).REQUIRES):
            found.append(name)
    return found


def ship_command(folder: Path, sinks: list[str], *more: str) -> list[str]:
    """Return the command that ships the run in `folder`."""
    targets = [word for name in sinks for word in ("--to", name)]
    return [sys.executable, "-m", "esper", "ship", str(folder), *targets, *more]


def loop_s(emit: Emit, num_steps: int, work: Callable[[], object]) -> float:
    """Return the seconds of a loop that computes and emits."""
    started = time.perf_counter()
    for step in range(num_steps):
        work()
        emit(step)
    return time.perf_counter() - started


def make_work() -> Callable[[], object]:
    """Return a computation that takes about a thousandth of a second."""
    matrix = torch.rand(64, 64)

    def multiply(repeats: int) -> None:
        for _ in range(repeats):
            torch.tanh(matrix @ matrix)

    multiply(100)
    started = time.perf_counter()
    multiply(2000)
    repeats = max(1, int(2000 / _STEPS_PER_S / (time.perf_counter() - started)))
    return lambda: multiply(repeats)


def overhead(seconds: float, repeats: int) -> dict[str, float]:
    """Return the relative time of a loop with its log and all sinks, and the events that a sink lacks in the end."""
    num_steps = int(seconds * _STEPS_PER_S)
    sinks, work = installed_sinks(), make_work()
    without_s, with_s, lost = float("inf"), float("inf"), 0
    for _ in range(repeats):
        without_s = min(without_s, loop_s(emit_on(SILENT), num_steps, work))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "benchmark"
            with esper_log(folder) as emit:
                emit(0)
                shipper = subprocess.Popen(
                    ship_command(folder, sinks, "--follow"),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                while len(list((folder / SHIP_FOLDER).glob("*/position.json"))) < len(sinks):
                    time.sleep(0.05)
                with_s = min(with_s, loop_s(emit, num_steps, work))
            shipper.terminate()
            shipper.wait()
            subprocess.run(ship_command(folder, sinks), check=True, stdout=subprocess.DEVNULL)
            lost += num_lost(folder)
    return {"without_s": without_s, "with_s": with_s, "lost": lost}


def num_lost(folder: Path) -> int:
    """Return how many events of the log its sinks lack, by their own counts."""
    total = sum(1 for _ in read_run(folder))
    return sum(
        total - (status.stats.num_written if status.stats else 0) for status in read_status(folder)
    )


def shipped_per_s(sink: str, num_events: int) -> float:
    """Return the events a second that a process carries from a log to a sink, its start included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "benchmark"
        with esper_log(folder) as emit:
            for step in range(num_events):
                emit(step)
        started = time.perf_counter()
        subprocess.run(ship_command(folder, [sink]), check=True, stdout=subprocess.DEVNULL)
        return num_events / (time.perf_counter() - started)


def memory_growth_mb(num_events: int) -> float:
    """Return by how many megabytes the process grows while it emits `num_events`, after a tenth of them."""
    with tempfile.TemporaryDirectory() as name, Hub("benchmark") as hub:
        folder = Path(name)
        hub.attach(RunLog(folder, config=RunLogConfig(segment_bytes=64 * 2**20)))
        emit = emit_on(hub.channel(env_id=0))
        before_kb = 0
        for step in range(num_events):
            emit(step)
            if step == num_events // 10:
                before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if step % 1_000_000 == 999_999:
                # The disk need not hold all of them.
                for path in sorted(folder.glob("log/*.jsonl"))[:-1]:
                    path.unlink()
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024


def measure(parts: Parts, *, is_quick: bool) -> dict[str, Any]:
    """Measure all parts that are not stored yet, and return the results."""
    num_events, repeats = (2000, 2) if is_quick else (20_000, 7)
    seconds, loops = (2.0, 1) if is_quick else (20.0, 5)
    us = parts.get("emit_us", lambda: emit_us(num_events, repeats))
    loop = parts.get("overhead", lambda: overhead(seconds, loops))
    shipped = {
        name: parts.get(
            f"ship {name}", lambda name=name: shipped_per_s(name, 20_000 if is_quick else 300_000)
        )
        for name in installed_sinks()
    }
    growth = parts.get("memory", lambda: memory_growth_mb(100_000 if is_quick else 10_000_000))

    def ratio(other: str) -> float | None:
        return us["log"] / us[other] if other in us else None

    return {
        "log_vs_json": ratio("json"),
        "log_vs_logging": ratio("logging"),
        "log_vs_tensorboard_12": ratio("tensorboard_12"),
        "overhead_all_sinks": loop["with_s"] / loop["without_s"] - 1,
        "lost": loop["lost"],
        "emit_us": us,
        "shipped_per_s": shipped,
        "memory_growth_mb": growth,
        "absent": sorted({m for _, m in LOGGERS.values() if m and find_spec(m) is None}),
    }


def to_table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    us = results["emit_us"]
    lines = ["| logger | us per event | log / logger |", "|---|---:|---:|"]
    lines += [f"| {name} | {cost:.1f} | {us['log'] / cost:.2f} |" for name, cost in us.items()]
    lines += [f"| {name} | absent | |" for name in results["absent"]]
    lines += ["", "| shipping to | events a second |", "|---|---:|"]
    lines += [f"| {name} | {rate:,.0f} |" for name, rate in results["shipped_per_s"].items()]
    lines += [
        "",
        f"A loop with 1,000 events a second takes {results['overhead_all_sinks']:+.1%} with its log and every sink;"
        f" {results['lost']} events lost. Memory grows by {results['memory_growth_mb']:.1f} MB.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table and the results as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few events and repeats")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument("--results", type=Path, metavar="FILE", help="store each part that is done")
    options = parser.parse_args()
    results = measure(Parts(options.results), is_quick=options.quick)
    if not options.json:
        print(to_table(results))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
