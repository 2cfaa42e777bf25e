"""Measures what telemetry costs a training process, compared with other loggers, and how fast runs are shipped.

python benchmarks/telemetry.py                    a table, then JSON; 15 minutes
python benchmarks/telemetry.py --quick            a few repeats of few events
python benchmarks/telemetry.py --json             only JSON, as the last line
python benchmarks/telemetry.py --results FILE     store each part; the same command goes on after an interruption
python benchmarks/telemetry.py --write docs/benchmarks.md   put the tables into the page, too

One event has twelve values: EPOCH_COMPLETED and its epoch. Each logger gets the same values from the same source and adds a
number and the time. `log_map` is METRICS_LOGGED, with twelve values under names that the caller chooses. The log, `json` and
`logging` have passed the line to the operating system when the call returns; the others promise less.

`overhead_all_sinks` is by how much longer a loop takes that computes and emits about 1,000 events a second, with its log and a
background process that ships it to every sink that is installed, than the same loop without telemetry; the start of both is
left out. It compares the median pieces of five steps, which leave out the times at which the system ran other programs, those of
the sinks among them if no core is free. `overhead_wall` compares the whole loops, `overhead_cpu` the time of the processor.
`lost` counts events of the log that a sink does not have in the end. Libraries that are not installed are listed as absent. To have
them all in one environment, add the folders of `make test-sinks` to PYTHONPATH: `build/sink-envs/*/lib/python3*/site-packages`.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch
from parts import Parts
from sections import write_section
from telemetry_loggers import LOGGERS, Emit, emit_on, esper_log

from esper.leyline.channel import SILENT
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog, RunLogConfig
from esper.nissa.reader import read_run
from esper.nissa.shipping.launch import prepare_shipping
from esper.nissa.shipping.progress_file import SHIP_FOLDER
from esper.nissa.shipping.registry import BUILT_IN, load_sink
from esper.nissa.shipping.status import read_status

_STEPS_PER_S = 1000
_MAX_LOGGER_S = 2.0
"""Time after which a repeat of a slow logger ends, whatever is left of its events."""
_PIECE_STEPS = 5
_PARQUET = "parquet"
_PIECE_EVENTS = 100
"""Events that are timed together: about a millisecond, so that another process of the machine disturbs few of the pieces."""


def emit_us(num_events: int, repeats: int) -> dict[str, float]:
    """Return microseconds that the caller waits for an event, for each logger: the median of pieces of interleaved repeats."""
    pieces: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name, (open_logger, module) in LOGGERS.items():
            if not is_installed(module):
                continue
            with tempfile.TemporaryDirectory() as folder, open_logger(Path(folder)) as emit:
                emit(0)
                end = time.perf_counter() + _MAX_LOGGER_S
                for first in range(1, num_events, _PIECE_EVENTS):
                    if time.perf_counter() > end:
                        break
                    started = time.perf_counter()
                    for step in range(first, first + _PIECE_EVENTS):
                        emit(step)
                    elapsed_us = (time.perf_counter() - started) * 1e6
                    pieces.setdefault(name, []).append(elapsed_us / _PIECE_EVENTS)
    return {name: median(times) for name, times in pieces.items()}


def is_installed(module: str | None) -> bool:
    """Return whether a logger can be used that needs `module`, and nothing else if it is None."""
    try:
        return module is None or find_spec(module) is not None
    except ModuleNotFoundError:
        # The package that would hold the module is missing.
        return False


def installed_sinks() -> list[str]:
    """Return the names of Esper's sinks whose packages are installed and that need no argument."""
    found = []
    for name in BUILT_IN:
        if all(map(is_installed, load_sink(name).REQUIRES)):
            found.append(name)
    return found


def ship_command(folder: Path, sinks: list[str]) -> list[str]:
    """Return the command that ships the run in `folder`."""
    targets = [word for name in sinks for word in ("--to", name)]
    return [sys.executable, "-m", "esper", "ship", str(folder), *targets]


COLLECTOR = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def collector() -> Iterator[None]:
    """Run a collector for OpenTelemetry that takes everything and keeps nothing, at the address that the environment names."""
    with subprocess.Popen(
        [sys.executable, "-c", COLLECTOR], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + 10)
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        os.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "no_proxy": "*"}
        yield
        process.kill()


def time_loop(emit: Emit, num_steps: int, work: Callable[[], object]) -> dict[str, float]:
    """Return the seconds of a loop that computes and emits, those of the processor, and those of the median piece of it."""
    pieces = []
    started_cpu = time.process_time()
    for first in range(0, num_steps, _PIECE_STEPS):
        started = time.perf_counter()
        for step in range(first, first + _PIECE_STEPS):
            work()
            emit(step)
        pieces.append(time.perf_counter() - started)
    return {
        "wall": sum(pieces),
        "cpu": time.process_time() - started_cpu,
        "median": median(pieces),
    }


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
    """Return the times of a loop without and with its log and all sinks, and the events that a sink lacks in the end."""
    num_steps = int(seconds * _STEPS_PER_S)
    sinks, work = installed_sinks(), make_work()
    without, with_all, lost = [], [], 0
    for _ in range(repeats):
        without.append(time_loop(emit_on(SILENT), num_steps, work))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "benchmark"
            with esper_log(folder) as emit:
                emit(0)
                shipper = prepare_shipping(sinks).start(folder)
                assert shipper is not None
                while len(list((folder / SHIP_FOLDER).glob("*/position.json"))) < len(sinks):
                    time.sleep(0.05)
                with_all.append(time_loop(emit, num_steps, work))
            os.kill(shipper, signal.SIGTERM)
            os.waitpid(shipper, 0)
            subprocess.run(ship_command(folder, sinks), check=True, stdout=subprocess.DEVNULL)
            lost += num_lost(folder)
    ratios = {
        kind: min(times[kind] for times in with_all) / min(times[kind] for times in without) - 1
        for kind in ("wall", "cpu", "median")
    }
    return ratios | {"lost": lost}


def num_lost(folder: Path) -> int:
    """Return how many events of the log its sinks lack, by their own counts."""
    total = sum(1 for _ in read_run(folder))
    return sum(
        total - (status.stats.num_written if status.stats else 0) for status in read_status(folder)
    )


def shipped_per_s(sink: str, num_events: int) -> dict[str, float]:
    """Return the events a second that are carried from a log to a sink, or into Parquet files, starting Python included.

    Also those for each second of a processor, which depends less on what else the machine does.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "benchmark"
        with esper_log(folder) as emit:
            for step in range(num_events):
                emit(step)
        command = ship_command(folder, [sink])
        if sink == _PARQUET:
            out = ["--to", "parquet", "--out", str(Path(name) / "export")]
            command = [sys.executable, "-m", "esper", "export", str(folder), *out]
        started, started_cpu = time.perf_counter(), _children_cpu_s()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return {
            "wall": num_events / (time.perf_counter() - started),
            "cpu": num_events / (_children_cpu_s() - started_cpu),
        }


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
    seconds, loops = (2.0, 1) if is_quick else (20.0, 3)
    us = parts.get("emit_us", lambda: emit_us(num_events, repeats))
    loop = parts.get("overhead", lambda: overhead(seconds, loops))
    shipped = {
        name: parts.get(
            f"ship {name}", lambda name=name: shipped_per_s(name, 20_000 if is_quick else 100_000)
        )
        for name in [*installed_sinks(), _PARQUET]
    }
    growth = parts.get("memory", lambda: memory_growth_mb(100_000 if is_quick else 10_000_000))

    def ratio(other: str) -> float | None:
        return us["log"] / us[other] if other in us else None

    return {
        "log_vs_json": ratio("json"),
        "log_vs_logging": ratio("logging"),
        "log_vs_tensorboard_12": ratio("tensorboard_12"),
        "overhead_all_sinks": loop["median"],
        "overhead_wall": loop["wall"],
        "overhead_cpu": loop["cpu"],
        "lost": loop["lost"],
        "emit_us": us,
        "shipped_per_s": shipped,
        "memory_growth_mb": growth,
        "absent": sorted({one for _, one in LOGGERS.values() if one and not is_installed(one)}),
    }


def to_table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    us = results["emit_us"]
    lines = ["| logger | us per event | log / logger |", "|---|---:|---:|"]
    lines += [f"| {name} | {cost:.1f} | {us['log'] / cost:.2f} |" for name, cost in us.items()]
    lines += [f"| {name} | absent | |" for name in results["absent"]]
    lines += ["", "| shipping to | events a second | a second of a processor |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {rate['wall']:,.0f} | {rate['cpu']:,.0f} |"
        for name, rate in results["shipped_per_s"].items()
    ]
    lines += [
        "",
        "A loop with 1,000 events a second, with its log and every sink"
        f" ({', '.join(name for name in results['shipped_per_s'] if name != _PARQUET)}), takes"
        f" {results['overhead_all_sinks']:+.1%} time in its median piece, {results['overhead_wall']:+.1%} in all, and"
        f" {results['overhead_cpu']:+.1%} of the processor; {results['lost']} events lost."
        f" Memory grows by {results['memory_growth_mb']:.1f} MB.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table and the results as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few events and repeats")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument("--results", type=Path, metavar="FILE", help="store each part that is done")
    parser.add_argument(
        "--write", type=Path, metavar="PAGE", help="write the tables into PAGE, too"
    )
    options = parser.parse_args()
    with collector():
        results = measure(Parts(options.results), is_quick=options.quick)
    table = to_table(results)
    if options.write:
        write_section(options.write, "benchmarks/telemetry.py", table)
    if not options.json:
        print(table)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
