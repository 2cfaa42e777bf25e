"""Prints a table of runs for people, and the same as plain values for programs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from esper.karn.overview import RunOverview
from esper.leyline.text import printable

_MAX_NAME = 255
_LEFT_ALIGNED = {"run", "state", "task", "started", "tags", "why"}
# Columns that are left out one after another, until the table fits a terminal.
_LESS_IMPORTANT = (
    "started",
    "parameters",
    "task",
    "seed",
    "resumed",
    "size",
    "fossils",
    "host val",
    "host test",
)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

_Key = Callable[[RunOverview], Any]

SORT_KEYS: dict[str, tuple[_Key, bool]] = {
    "started": (lambda run: run.started_ns, True),
    "run": (lambda run: run.id, False),
    "state": (lambda run: run.state, False),
    "task": (lambda run: run.task, False),
    "seed": (lambda run: run.seed, False),
    "epochs": (lambda run: run.epochs_completed, True),
    "test": (lambda run: run.test_accuracy, True),
    "host": (lambda run: run.host_accuracy, True),
    "grown": (lambda run: run.grown_accuracy, True),
    "fossils": (lambda run: run.num_fossils, True),
    "parameters": (lambda run: run.num_params, True),
    "size": (lambda run: run.num_bytes, True),
}
"""What the runs can be sorted by: a value, and whether the highest comes first."""


def sort_runs(runs: Sequence[RunOverview], key: str, *, is_reversed: bool) -> list[RunOverview]:
    """Return the runs sorted by `key`, one of `SORT_KEYS`; those without a value come last."""
    value, is_descending = SORT_KEYS[key]
    known = [run for run in runs if value(run) is not None]
    known.sort(key=value, reverse=is_descending is not is_reversed)
    return known + [run for run in runs if value(run) is None]


def render_runs(runs: Sequence[RunOverview], console: Console) -> None:
    """Print a line for each run.

    Numbers and names are never cut: on a narrow terminal less important columns are left out, elsewhere lines are as
    long as they need to be.
    """
    rows = [_cells(run) for run in runs]
    names = [name for name in rows[0] if any(row[name] for row in rows)] if rows else []
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    if console.is_terminal:
        for name in _LESS_IMPORTANT:
            numbers = [widths[one] + 2 for one in names if one != "why"]
            if sum(numbers) > console.width and name in names:
                names.remove(name)
    lines = [_line({name: name for name in names}, names, widths)]
    lines += [_line(row, names, widths) for row in rows]
    for number, line in enumerate(lines):
        console.print(Text(line, "" if number else "bold"), highlight=False, soft_wrap=True)


def as_dict(run: RunOverview) -> dict[str, Any]:
    """Return the overview as values of JSON."""
    return {**dataclasses.asdict(run), "folder": str(run.folder)}


def _line(row: dict[str, str], names: Sequence[str], widths: dict[str, int]) -> str:
    cells = (
        row[name].ljust(widths[name]) if name in _LEFT_ALIGNED else row[name].rjust(widths[name])
        for name in names
    )
    return "  ".join(cells).rstrip()


def _cells(run: RunOverview) -> dict[str, str]:
    planned = "" if run.epochs_planned is None else f"/{run.epochs_planned}"
    # A loop of one's own may count steps only.
    has_epochs = run.epochs_completed > 0 or run.epochs_planned is not None
    return {
        "run": printable(run.id, _MAX_NAME),
        "state": run.state,
        "epochs": f"{run.epochs_completed}{planned}" if has_epochs else "",
        "host test": _percent(run.host_test_accuracy),
        "test": _percent(run.test_accuracy),
        "host val": _percent(run.host_accuracy),
        "val": _percent(run.grown_accuracy),
        "fossils": str(run.num_fossils),
        "parameters": "" if run.num_params is None else f"{run.num_params:,}",
        "size": format_size(run.num_bytes),
        "resumed": f"{run.num_resumptions}x" if run.num_resumptions else "",
        "task": run.task or "",
        "seed": "" if run.seed is None else str(run.seed),
        "started": _time(run.started_ns),
        "tags": "?" if run.tags is None else ", ".join(run.tags),
        "why": run.reason or "",
    }


def _percent(accuracy: float | None) -> str:
    return "" if accuracy is None else f"{accuracy:.2f} %"


def format_size(num_bytes: int) -> str:
    """Return a number of bytes in the unit that keeps it short, such as `1.5 GiB`."""
    power = min(int(math.log(max(num_bytes, 1), 1024)), len(_UNITS) - 1)
    return f"{num_bytes / 1024**power:.{1 if power else 0}f} {_UNITS[power]}"


def _time(nanoseconds: int | None) -> str:
    """Return a time in UTC; empty if it is unknown or beyond the calendar."""
    if nanoseconds is None:
        return ""
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return ""
