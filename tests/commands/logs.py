"""Reads run logs as plain JSON, the way a stranger's tool would."""

import json
from pathlib import Path

# Times, durations and ids differ from run to run; nothing else may.
VARYING = {"t_wall_ns", "t_mono_ns", "run", "boot", "duration_s", "verify_s"}


def log_of(run_dir: Path) -> list[dict]:
    """Return the whole lines of the only run in `run_dir`; one that is still being written is left out."""
    files = sorted(run_dir.glob("*/log/*.jsonl"), key=lambda path: path.stem.split("-")[-1])
    return [
        json.loads(line)
        for file in files
        for line in file.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]


def told(log: list[dict], event: str, *, whole: bool = False) -> list[dict]:
    """Return the payloads of an event, or its whole lines."""
    return [line if whole else line["payload"] for line in log if line["event"] == event]


def without_varying(value):
    """Return `value` without what differs from run to run."""
    if isinstance(value, dict):
        return {k: without_varying(v) for k, v in value.items() if k not in VARYING}
    if isinstance(value, list):
        return [without_varying(item) for item in value]
    return value
