"""Logs and processes that several figures share."""

import json
import subprocess
import sys
from pathlib import Path

from reading import write_log


def make_log(num_events: int, folder: Path) -> Path:
    """Return the run of `num_events` events in `folder`, that of benchmarks/reading.py; it is written the first time."""
    run = folder / f"run-{num_events}"
    if not run.is_dir():
        write_log(run, num_events)
    return run


def measure_alone(code: str, *arguments: object, python: str = sys.executable) -> dict[str, float]:
    """Return the JSON object that a new process prints; it runs `code` with `arguments`, so that figures do not disturb each other."""
    command = [python, "-c", code, *map(str, arguments)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    measured: dict[str, float] = json.loads(printed)
    return measured
