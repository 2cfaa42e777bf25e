"""Drives every command with hostile arguments, folders, settings, logs and outputs, and counts what must not happen.

    python -m benchmarks.fuzz_commands --runs 2000

Each run calls `esper.cli.main` in this process on a copy of a small trained run, which may be renamed and damaged. Nothing
but an exit code of the commands may come back: no exception, no error inside Esper, no control character, no hang. A query may
neither print a file that is next to the folder of runs nor write one.
"""

import argparse
import contextlib
import errno
import io
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import torch
from torch import nn

import esper
from benchmarks.fuzz_inputs import DAMAGES, HOSTILE, NUMBERS, QUERIES, SECRET, TASK
from esper.cli import main as run_command

LIMIT_S = 30
"""Most processor time of a call, in seconds."""
HANG_S = 600
"""Time by the clock after which a call hangs; a busy machine may need minutes for what takes seconds of processor time."""
EXIT_CODES = {0, 1, 2, 3, 130, 141}
# Everything that a terminal acts on, apart from the line end: C0, DEL, C1, marks of direction, other line ends.
_CONTROL = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_DEVICES = ("cpu", "cpu:7", "meta", "mps", "cuda:99", "hpu", "abacus", "")
_FAULTS = ("nan@1", "spike@1", "nan", "nan@0", "nan@" + "9" * 5000, "@", "flood@2")
_OPTIONS = {
    "summary": ("--json", "--run-dir"),
    "lint-log": ("--json", "--run-dir"),
    "runs": ("--json", "--run-dir", "--sort", "--state", "--task", "--reverse"),
    "help": (),
    "completion": (),
    "train": (
        "--task", "--epochs", "--seed", "--device", "--detector", "--no-baseline", "--inject-fault", "--run-dir",
        "--keep-checkpoints", "--resume",
    ),
    "ship": ("--to", "--config", "--events", "--exclude", "--min-level", "--sample", "--reveal", "--status", "--json", "--run-dir"),
    "export": ("--to", "--out", "--all", "--reveal", "--json", "--run-dir"),
    "tail": ("--event", "--env", "--slot", "-n", "--json", "--run-dir"),
    # Without --yes, which would remove whatever a random folder holds.
    "gc": ("--keep", "--older-than", "--larger-than", "--tagged", "--remove", "--json", "--run-dir"),
    "tag": ("--note", "--remove", "--json", "--run-dir"),
    "explain": ("--json", "--events", "--run-dir"),
    "compare": ("--json", "--run-dir"),
    # Without --open, which would start a browser.
    "report": ("--out", "--markdown", "--run-dir"),
    "query": (
        "--run", "--run-dir", "--parquet", "--list", "--schema", "--format", "--json", "--out", "--limit", "--timeout", "--memory",
    ),
    "schema": ("--json",),
    "watch": ("--json", "--run-dir"),
    "tasks": ("--json",),
    "blueprints": ("--json",),
    "policies": ("--json",),
}  # fmt: skip
_FLAGS = {
    "--json", "--reverse", "--no-baseline", "--status", "--all", "--tagged", "--yes", "--events", "--markdown", "--list",
}  # fmt: skip


_QUICKLY = ["--timeout", "2"]
"""What ends an endless query before the alarm does."""


class _HangError(BaseException):
    """Raised by the alarm; not an Exception, so that nothing handles it on the way."""


@dataclass
class Tally:
    """The results of a campaign."""

    num_runs: int = 0
    num_on_runs: int = 0
    """Runs that got past the parsing of their arguments on a real or damaged run."""
    num_damaged: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """A line for each run that did what must not happen."""


@contextmanager
def trained_run() -> Iterator[Path]:
    """Yield the folder of a small run of a task that is registered while the block runs."""
    from esper.tolaria.tasks import registry

    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(registry._TASKS):
        task = esper.register_task(
            esper.Task(name=TASK, load_samples=_load, build_host=_build, num_classes=2, epochs=2)
        )
        story = esper.run_task(task, policy=esper.HeuristicPolicy(), run_dir=folder)
        yield story.folder


def fuzz(original: Path, *, runs: int, seed: int) -> Tally:
    """Call commands `runs` times on copies of the run in `original`; everything random follows from `seed`."""
    tally = Tally()
    for number in range(runs):
        rng = random.Random(seed * 1_000_003 + number)
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            _one_run(original, Path(folder), rng, tally, f"seed {seed} run {number}")
    return tally


def _one_run(original: Path, root: Path, rng: random.Random, tally: Tally, name: str) -> None:
    folder = root / "runs" / _new_name(original.name, rng)
    shutil.copytree(original, folder)
    is_damaged = rng.random() < 0.6
    for _ in range(rng.randint(1, 3) if is_damaged else 0):
        rng.choice(DAMAGES)(folder, rng)
    on_run = rng.random() < 0.7
    arguments = _run_arguments(folder, rng) if on_run else _random_arguments(root, rng)
    (root / "secret.txt").write_text(SECRET)
    is_query = arguments[0] == "query" and "--out" not in arguments
    before = set(root.rglob("*")) if is_query else set()
    # Not the time by the clock, in which other programs may have the processors.
    started = time.process_time()
    code, text, faults = _call(arguments, rng)
    if is_query:
        new = set(root.rglob("*")) - before
        faults += [f"wrote {path.name}" for path in new]
        faults += ["read a file outside the runs"] if SECRET in text else []
    if time.process_time() - started > LIMIT_S:
        faults.append("slow")
    if found := _CONTROL.search(text):
        faults.append(f"control character {found.group()!r}")
    if "Traceback" in text:
        faults.append("traceback")
    tally.num_runs += 1
    tally.commands[arguments[0] if arguments and arguments[0] in _OPTIONS else "other"] += 1
    tally.codes[code] += 1
    tally.num_on_runs += on_run and not code.startswith("parsing")
    tally.num_damaged += on_run and is_damaged and not code.startswith("parsing")
    tally.faults += [f"{name}: {fault}: {arguments!a:.300}: {text[-300:]!a}" for fault in faults]


def _call(arguments: list[str], rng: random.Random) -> tuple[str, str, list[str]]:
    """Return the exit code, what was printed, and the faults."""
    raw = rng.choice((io.BytesIO, io.BytesIO, io.BytesIO, _Full, _Broken))()
    encoding = rng.choice(("utf-8", "utf-8", "ascii", "cp1252"))
    out, err = (io.TextIOWrapper(one, encoding, newline="\n") for one in (raw, io.BytesIO()))
    environment = {"COLUMNS": rng.choice(("0", "1", "40", "80", "100000", "x"))}
    faults = []
    signal.alarm(HANG_S)
    try:
        with (
            mock.patch.object(sys, "stdout", out),
            mock.patch.object(sys, "stderr", err),
            mock.patch.object(sys, "stdin", io.StringIO(rng.choice(("", "y\n", "no\n")))),
            mock.patch.dict(os.environ, environment),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            exit_code = run_command(arguments)
        code = str(exit_code)
        if exit_code not in EXIT_CODES:
            faults.append(f"exit code {exit_code}")
    except SystemExit as exit_:
        code = f"parsing {exit_.code}"
    except _HangError:
        code = "hang"
        faults.append(f"no end within {HANG_S} s")
    except BaseException as error:
        code = "exception"
        faults.append(f"{type(error).__name__}: {error}")
    finally:
        signal.alarm(0)
    for stream in (out, err):
        try:
            stream.flush()
        except OSError:
            stream.detach()
    data = raw.getvalue() + err.buffer.getvalue()
    return code, data.decode(encoding, errors="replace"), faults


class _Full(io.BytesIO):
    """A device without room."""

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Broken(io.BytesIO):
    """A pipe whose reader leaves after some bytes."""

    def write(self, data: bytes) -> int:
        if self.tell() > 100:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return super().write(data)


def _new_name(name: str, rng: random.Random) -> str:
    """Return the run's name, or that with something hostile, as a file system allows it."""
    if rng.random() < 0.6:
        return name
    return (name[:20] + rng.choice(HOSTILE).replace("/", ""))[:80].replace("\udc80", "\udcff")


def _run_arguments(folder: Path, rng: random.Random) -> list[str]:
    """Return a command with valid arguments on the run."""
    command = rng.choices(
        (
            "summary", "lint-log", "runs", "train", "resume", "export", "tail", "tag", "gc", "ship",
            "explain", "compare", "report", "query", "watch",
        ),
        weights=(5, 5, 4, 1, 1, 4, 4, 3, 3, 1, 5, 3, 2, 6, 5),
    )[0]  # fmt: skip
    where = ["--run-dir", str(folder.parent)]
    which = rng.choice((folder.name, "latest", str(folder), folder.name[:10]))
    which = "latest" if which.startswith("-") else which
    extra = ["--json"] if rng.random() < 0.4 else []
    if command == "train":
        return ["train", "--task", TASK, "--epochs", "1", "--no-baseline", *where]
    if command == "resume":
        return ["train", "--resume", which, "--epochs", "3", *where]
    if command == "runs":
        extra += (
            ["--sort", rng.choice(("run", "size", "grown", "seed"))] if rng.random() < 0.5 else []
        )
        extra += ["--state", rng.choice(("crashed", "finished"))] if rng.random() < 0.2 else []
        return ["runs", *where, *extra]
    if command == "gc":
        limit = rng.choice((["--keep", "0"], ["--older-than", "0d"], ["--larger-than", "1KB"]))
        return ["gc", *limit, *where, *extra, *rng.choice(([], ["--tagged"], ["--yes"]))]
    if command == "query":
        format_ = rng.choice((extra, ["--format", "csv"]))
        return ["query", rng.choice(QUERIES), *where, *format_, *_QUICKLY]
    if command == "report":
        return ["report", which, *where, *rng.choice(([], ["--markdown"], [which], ["--out", "-"]))]
    return [command, which, *where, *extra, *_more_arguments(command, rng)]


def _more_arguments(command: str, rng: random.Random) -> list[str]:
    """Return valid arguments of a command that has some of its own."""
    text = rng.choice(HOSTILE)
    match command:
        case "export":
            return ["--to", rng.choice(("parquet", "arrow", "csv")), "--out", f"out/{len(text)}"]
        case "ship":
            return ["--to", "csv"]
        case "tag":
            return [rng.choice(("good", text)), "--note", text]
        case "explain":
            return rng.choice(([], ["--events"]))
        case "compare":
            return ["latest"]
        case "tail":
            return [*rng.choice(([], ["-n", "-1"], ["--event", text], ["--slot", text]))]
    return []


def _random_arguments(root: Path, rng: random.Random) -> list[str]:
    """Return anything that somebody may type."""
    pools = (
        HOSTILE,
        NUMBERS,
        _DEVICES,
        _FAULTS,
        QUERIES,
        tuple(_OPTIONS),
        (str(root), str(root / "gone"), "a\0b", ""),
    )
    command = rng.choice((*_OPTIONS, *_OPTIONS, rng.choice(HOSTILE)))
    arguments = [command]
    for _ in range(rng.randint(0, 4)):
        options = _OPTIONS.get(command, ())
        if options and rng.random() < 0.7:
            option = rng.choice(options)
            arguments.append(option if rng.random() < 0.9 else option[:-1] + rng.choice(HOSTILE))
            if option in _FLAGS:
                continue
        arguments.append(rng.choice(rng.choice(pools)))
    if command == "query" and "--timeout" not in arguments:
        arguments += _QUICKLY
    if command == "train":
        # Whatever starts is small.
        arguments += [] if "--task" in arguments else ["--task", TASK]
        arguments += [] if "--epochs" in arguments else ["--epochs", "1"]
    return arguments


def _load() -> tuple[esper.Samples, esper.Samples]:
    """Return two clouds of points, as images of one pixel."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(64) % 2
    inputs = torch.randn(64, 3, 1, 1, generator=generator) + 2.0 * targets.reshape(-1, 1, 1, 1)
    samples = esper.Samples(inputs=inputs, targets=targets)
    return samples, samples


def _build() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 1), esper.SeedSlot("only", channels=4), nn.Flatten(), nn.Linear(4, 2)
    )


@contextmanager
def alarm() -> Iterator[None]:
    """Let an alarm raise within the block, so that a run that hangs is a fault and not the end of the campaign."""

    def ring(*_: object) -> None:
        raise _HangError

    previous = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, previous)


def main() -> int:
    """Run a campaign and print its table; return 1 if anything happened that must not."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--runs", type=int, default=2000, help="calls of a command (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of everything random (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object as the last line")
    options = parser.parse_args()
    started = time.monotonic()
    with alarm(), trained_run() as original:
        tally = fuzz(original, runs=options.runs, seed=options.seed)
    result = {
        "runs": tally.num_runs,
        "past_parsing_on_a_run": tally.num_on_runs,
        "of_these_damaged": tally.num_damaged,
        "faults": len(tally.faults),
        "seconds": round(time.monotonic() - started, 1),
    }
    for name, value in (
        *result.items(),
        *sorted(tally.commands.items()),
        *sorted(tally.codes.items()),
    ):
        print(f"{name:<24}{value:>8}")
    for fault in tally.faults[:50]:
        print(fault)
    if options.json:
        print(json.dumps({**result, "codes": tally.codes, "commands": tally.commands}))
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
