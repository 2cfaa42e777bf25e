"""Hostile texts and numbers, and damages of a run, for `fuzz_commands.py`."""

import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

TASK = "fuzz"
HOSTILE = (
    "\x1b[31mred\x1b[0m", "\u202eevil", "\x07\x9b2J", "a\nb", "☃größer", "exp[lr=0.1]", "[bold]x[/]", "\udc80",
    " ", "%s%n", "{0}", "--", "-", "..", "../..", "*", "~", "latest", "x" * 300, "é" * 120, "$(id)", "'", '"',
)  # fmt: skip
NUMBERS = (
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
SECRET = "the-content-of-a-file-that-is-not-of-a-run"
QUERIES = (
    "select * from runs", "select * from seeds", "select * from epochs", "select * from governor", "select * from tags",
    "select event, count(*) from events group by all", "select * from seed_stage_changed order by seq desc",
    "select slot_id || chr(27) || '[31m' || chr(8238) from seed_pruned", "select 1/0, 'nan'::double, 1e308 * 10",
    "select * from read_text('secret.txt')", "select * from read_csv('../secret.txt')", "from 'secret.txt'",
    "select * from glob('/etc/*')", "select getenv('HOME')", "select * from read_blob('secret.txt')",
    "copy (select 1) to 'new.csv'", "attach 'new.db'", "create table new as select 1", "export database 'new'",
    "install httpfs", "load httpfs", "pragma version", "set threads = 1", "call pragma_version()",
    "select 1; select 2", "select", "", ";", "-- nothing", "select '" + "x" * 9000 + "'", "(" * 3000 + "1" + ")" * 3000,
    "select * from range(100000000000) a, range(100) b", "with recursive a as (select 1 union all select * from a) select * from a",
    "select '\x1b[31m', '\u202e', '=1+1'", "select * from nothing", "select * from runs where run = '\0'", "explain select 1",
    "describe runs", "show tables", "values (1)", "from runs select run limit -1", "select unnest(range(200000))",
)  # fmt: skip
"""Queries: right, wrong, endless, and such that would read or write files."""


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
    text = rng.choice((*HOSTILE, *NUMBERS))
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


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    _flip, _flip, _cut, _insert, _insert, _insert, _change_settings, _rename_log, _replace_log, _damage_checkpoints, _remove,
)  # fmt: skip
