"""Reads run logs as plain JSON, as a tool that does not know Esper would."""

import json
from pathlib import Path

# Times, durations, ids and origins differ from run to run; no other field may, but those of HUB_STATS.
VARYING = {"t_wall_ns", "t_mono_ns", "run", "boot", "duration_s", "verify_s", "provenance"}


def log_of(run_dir: Path) -> list[dict]:
    """Return the lines of the only run in `run_dir`; a line that is still being written is left out."""
    files = sorted(run_dir.glob("*/log/*.jsonl"), key=lambda path: path.stem.split("-")[-1])
    return [
        json.loads(line)
        for file in files
        for line in file.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]


def payloads_of(log: list[dict], event: str, *, as_lines: bool = False) -> list[dict]:
    """Return the payloads of `event`; its lines, envelope included, if `as_lines`."""
    return [line if as_lines else line["payload"] for line in log if line["event"] == event]


def without_varying(value):
    """Return `value` without the entries in `VARYING`."""
    if isinstance(value, dict):
        if value.get("event") == "HUB_STATS":
            value = value | {"payload": None}
        return {k: without_varying(v) for k, v in value.items() if k not in VARYING}
    if isinstance(value, list):
        return [without_varying(item) for item in value]
    return value
