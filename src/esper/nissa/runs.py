"""Where runs live: one folder each under a root, `<date>-<time>-<task>-s<seed>-<four hex digits>` in UTC."""

import difflib
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from esper.leyline.errors import RunNotFoundError
from esper.leyline.text import printable
from esper.nissa.segments import LOG_FOLDER

LATEST = "latest"
_START = re.compile(r"\d{8}-\d{6}-")
_MAX_LISTED = 5


def create_run(root: Path, *, task: str, seed: int) -> Path:
    """Make a new folder for a run under `root`; its name is the run's id, sorts by time and is nobody else's.

    Raises:
        OSError: the folder cannot be made.
    """
    start = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    name = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-") or "run"
    root.mkdir(parents=True, exist_ok=True)
    while True:
        folder = root / f"{start}-{name}-s{seed}-{secrets.token_hex(2)}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder


def list_runs(root: Path) -> list[Path]:
    """Return the folders of the runs under `root`, newest first; folders that were renamed come last.

    Raises:
        RunNotFoundError: `root` cannot be read.
    """
    if not root.is_dir():
        return []
    try:
        return sorted(filter(_is_run, root.iterdir()), key=_age_key, reverse=True)
    except OSError as error:
        raise RunNotFoundError(
            f"the folder of runs must be readable, got {root} ({error.strerror}); name another --run-dir"
        ) from error


def resolve(run: str, root: Path) -> Path:
    """Return the folder of the run that `run` names: its id, the start of its id, `latest`, or a path.

    Raises:
        RunNotFoundError: there is none, or more than one.
    """
    folders = list_runs(root)
    if run == LATEST and folders:
        return folders[0]
    named = [folder for folder in folders if folder.name == run]
    named = named or [folder for folder in folders if run and folder.name.startswith(run)]
    if len(named) == 1:
        return named[0]
    if len(named) > 1:
        names = _listed([folder.name for folder in named])
        raise RunNotFoundError(
            f'a run must be named without doubt, got "{printable(run)}" for {names}; give more of the id'
        )
    if run and _is_run(Path(run)):
        return Path(run)
    raise RunNotFoundError(_what_there_is(run, root, folders))


def _is_run(folder: Path) -> bool:
    """Return whether `folder` holds a run log."""
    return (folder / LOG_FOLDER).is_dir()


def _what_there_is(run: str, root: Path, folders: list[Path]) -> str:
    """Return a message about a run that is not there, with the names that resemble it or else the newest."""
    shown_run = printable(run)
    if not folders:
        return (
            f'no run "{shown_run}"; there are no runs in {root}: start one with esper train, or name'
            " another --run-dir"
        )
    names = [folder.name for folder in folders]
    close = difflib.get_close_matches(run, [LATEST, *names], n=_MAX_LISTED)
    return f'no run "{shown_run}" in {root}; there are: {_listed(close or names)}'


def _listed(names: list[str]) -> str:
    more = len(names) - _MAX_LISTED
    listed = ", ".join(printable(name) for name in names[:_MAX_LISTED])
    return f"{listed} and {more} more" if more > 0 else listed


def _age_key(folder: Path) -> tuple[str, int]:
    """Return what sorts by age: the id's time, and within its second the folder's own."""
    start = _START.match(folder.name)
    return (start.group() if start else "", folder.stat().st_mtime_ns)
