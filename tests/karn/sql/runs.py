"""Writes logs for the tests of SQL."""

from pathlib import Path

from esper._generated.codec import encode_line
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.testing.sample_events import make_every_event
from tests.nissa.sample_events import emit_whole_run


def write_run(root: Path, name: str) -> Path:
    """Write the log of a whole run and return the run's folder."""
    folder = root / name
    with Hub(name) as hub:
        hub.attach(RunLog(folder))
        emit_whole_run(hub.channel(env_id=0))
    return folder


def write_every_event(root: Path, name: str) -> Path:
    """Write a log with two events of every kind, with empty and with hostile values."""
    folder = root / name
    (folder / "log").mkdir(parents=True)
    lines = [encode_line(*one) for one in make_every_event(run_id=name)]
    (folder / "log" / "0-00f1-0000.jsonl").write_bytes(b"".join(lines))
    return folder


def log_of(folder: Path) -> Path:
    """Return the only file of a log."""
    (path,) = (folder / "log").iterdir()
    return path
