"""Drives every command with hostile arguments, folders, settings, logs and outputs, and counts what must not happen.

    python -m benchmarks.fuzz_commands --runs 2000

Each run calls `esper.cli.main` in this process on a copy of a small trained run, which may be renamed and damaged. Nothing
but an exit code of the commands may come back: no exception, no error inside Esper, no control character, no hang.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import torch
from torch import nn

import esper
from esper.cli import main as run_command

TASK = "fuzz"
LIMIT_S = 30
EXIT_CODES = {0, 1, 2, 3, 130, 141}
# Everything that a terminal acts on, apart from the line end: C0, DEL, C1, marks of direction, other line ends.
_CONTROL = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_HOSTILE = (
    "\x1b[31mred\x1b[0m", "\u202eevil", "\x07\x9b2J", "a\nb", "☃größer", "exp[lr=0.1]", "[bold]x[/]", "\udc80",
    " ", "%s%n", "{0}", "--", "-", "..", "../..", "*", "~", "latest", "x" * 300, "é" * 120, "$(id)", "'", '"',
)  # fmt: skip
_NUMBERS = (
    "-1",
    "0",
    "1",
    "2",
    "1.5",
    "1e9",
    str(2**31),
    str(2**63),
    str(2**64),
    "9" * 30,
    "9" * 5000,
    "nan",
)
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
}  # fmt: skip
_FLAGS = {"--json", "--reverse", "--no-baseline"}


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
        rng.choice(_DAMAGES)(folder, rng)
    on_run = rng.random() < 0.7
    arguments = _run_arguments(folder, rng) if on_run else _random_arguments(root, rng)
    started = time.monotonic()
    code, text, faults = _call(arguments, rng)
    if time.monotonic() - started > LIMIT_S / 2:
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
    signal.alarm(LIMIT_S)
    try:
        with (
            mock.patch.object(sys, "stdout", out),
            mock.patch.object(sys, "stderr", err),
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
        faults.append(f"no end within {LIMIT_S} s")
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
    return (name[:20] + rng.choice(_HOSTILE).replace("/", ""))[:80].replace("\udc80", "\udcff")


def _run_arguments(folder: Path, rng: random.Random) -> list[str]:
    """Return a command with valid arguments on the run."""
    command = rng.choices(
        ("summary", "lint-log", "runs", "train", "resume"), weights=(5, 5, 4, 1, 1)
    )[0]
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
    return [command, which, *where, *extra]


def _random_arguments(root: Path, rng: random.Random) -> list[str]:
    """Return anything that somebody may type."""
    pools = (
        _HOSTILE,
        _NUMBERS,
        _DEVICES,
        _FAULTS,
        tuple(_OPTIONS),
        (str(root), str(root / "gone"), "a\0b", ""),
    )
    command = rng.choice((*_OPTIONS, *_OPTIONS, rng.choice(_HOSTILE)))
    arguments = [command]
    for _ in range(rng.randint(0, 4)):
        options = _OPTIONS.get(command, ())
        if options and rng.random() < 0.7:
            option = rng.choice(options)
            arguments.append(option if rng.random() < 0.9 else option[:-1] + rng.choice(_HOSTILE))
            if option in _FLAGS:
                continue
        arguments.append(rng.choice(rng.choice(pools)))
    if command == "train":
        # Whatever starts is small.
        arguments += [] if "--task" in arguments else ["--task", TASK]
        arguments += [] if "--epochs" in arguments else ["--epochs", "1"]
    return arguments


def _log(folder: Path) -> Path:
    return next(iter(sorted((folder / "log").glob("*.jsonl"))), folder / "log" / "0-aa-0000.jsonl")


def _flip(folder: Path, rng: random.Random) -> None:
    path = _log(folder)
    data = bytearray(path.read_bytes()) if path.is_file() else bytearray(b"x")
    for _ in range(rng.randint(1, 20)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    _write(path, bytes(data))


def _cut(folder: Path, rng: random.Random) -> None:
    path = _log(folder)
    data = path.read_bytes() if path.is_file() else b""
    _write(path, data[: rng.randint(0, len(data))])


def _insert(folder: Path, rng: random.Random) -> None:
    path = _log(folder)
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    line = rng.choice(lines) if lines else b"{}\n"
    hostile = rng.choice((
        b"\xff\xfe\x00\n", b"[" * 50_000 + b"\n", b"null\n", b"{}\n", line, line[:-2] + b"\n",
        re.sub(rb'"epoch":\d+', b'"epoch":2147483647', line), re.sub(rb":\d+", b":" + b"9" * 400, line),
        re.sub(rb'"slot_id":"[^"]*"', rb'"slot_id":"\\u001b[31m\\u202e\\n"', line),
        re.sub(rb'"run":"[^"]*"', rb'"run":"\\u001b[31m\\u202e"', line),
        line.replace(b'"event":"', b'"event":"\\u001b[2J'), line.replace(b"{", b'{"\\u009b\\u2066":1,', 1),
    ))  # fmt: skip
    lines.insert(rng.randint(0, len(lines)), hostile)
    _write(path, b"".join(lines))


def _change_settings(folder: Path, rng: random.Random) -> None:
    text = rng.choice((*_HOSTILE, *_NUMBERS))
    content = rng.choice((
        json.dumps({"task": text}), json.dumps({"task": TASK, "device": text}), json.dumps({text: text}),
        json.dumps({"task": TASK, "seed": 10**25}), json.dumps({"task": TASK, "faults": [text]}), "[" * 10_000, "\0", "",
    ))  # fmt: skip
    (folder / "settings.json").write_text(content, encoding="utf-8", errors="surrogateescape")


def _rename_log(folder: Path, rng: random.Random) -> None:
    path = _log(folder)
    if path.exists():
        path.rename(path.with_name(rng.choice((
            "x\x1b[31m.jsonl", "\u202e.jsonl", "0-zz-0.jsonl", "9999999999-aa-9999999999.jsonl", "a\nb.jsonl",
        ))))  # fmt: skip


def _replace_log(folder: Path, rng: random.Random) -> None:
    path = (
        folder
        / "log"
        / f"{rng.randrange(3)}-{rng.randrange(99):02x}-{rng.randrange(9999):04}.jsonl"
    )
    if not path.parent.is_dir():
        return
    kind = rng.randrange(4)
    if os.path.lexists(path):
        return
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        os.mkfifo(path)
    elif kind == 2:
        path.symlink_to(folder / "gone")
    else:
        path.symlink_to("/dev/zero")


def _damage_checkpoints(folder: Path, rng: random.Random) -> None:
    for path in (folder / "checkpoints").glob("*.pt"):
        data = path.read_bytes()
        path.write_bytes(data[: rng.randint(0, len(data))])


def _remove(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice(("log", "settings.json", "checkpoints", "model.pt"))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    if not path.is_dir() and not path.is_fifo() and not path.is_symlink() and path.parent.is_dir():
        path.write_bytes(data)


_DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    _flip, _flip, _cut, _insert, _insert, _insert, _change_settings, _rename_log, _replace_log, _damage_checkpoints, _remove,
)  # fmt: skip


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
