"""The folders of runs under a root: creating, listing and finding them.

A run's id is the name of its folder: `<date>-<time>-<task>-s<seed>-<four hex digits>`, the time in UTC.
"""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from esper.leyline.arguments import describe, instance_of
from esper.leyline.errors import RunNotFoundError, UsageError
from esper.leyline.text import join_names, printable
from esper.nissa.segments import LOG_FOLDER

LATEST = "latest"
DEFAULT_NAME = "run"
"""Name of a run of the user's own loop that has been given none."""
_START = re.compile(r"\d{8}-\d{6}-")
_MAX_LISTED = 5
_MAX_NAME = 64
"""Most characters of a run's name; LOOP_STARTED has room for as many."""


def create_run(root: Path, *, task: str, seed: int | None) -> Path:
    """Create a folder for a new run under `root` and return it; its name, the run's id, sorts by time and is unique.

    A `seed` of None, which says that it is not known, is left out of the name.

    Raises:
        OSError: the folder cannot be created.
    """
    start = _format_time(datetime.now(UTC))
    name = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-") or "run"
    marked_seed = "" if seed is None else f"-s{seed}"
    root.mkdir(parents=True, exist_ok=True)
    while True:
        folder = root / f"{start}{name}{marked_seed}-{os.urandom(2).hex()}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder


def create_own_run(root: Path, name: str | None, *, seed: int | None) -> Path:
    """Create the folder `name`, which `check_name` has accepted, for a run of the user's own loop; None: a new name.

    Raises:
        UsageError: there is a folder or file of this name, or the folder cannot be created.
    """
    try:
        if name is None:
            return create_run(root, task=DEFAULT_NAME, seed=seed)
        root.mkdir(parents=True, exist_ok=True)
        folder = root / name
        folder.mkdir()
    except (OSError, ValueError) as error:
        if name is not None and isinstance(error, FileExistsError) and root.is_dir():
            raise UsageError(
                f'a run must have a folder of its own, but "{printable(name)}" is in {printable(str(root))} already;'
                " give another name, leave the name out to get a new folder each time, or delete the old one"
            ) from None
        raise not_writable(root, error) from error
    return folder


def not_writable(root: Path, error: OSError | ValueError) -> UsageError:
    """Return the error for a folder of runs in which nothing can be made; a ValueError is that of a path."""
    reason = error.strerror if isinstance(error, OSError) else error
    return UsageError(
        f"dir must be a folder that can be written, got {printable(str(root))} ({reason}); name another one"
    )


def check_root(root: object) -> Path:
    """Return the folder of runs, given as `dir`, as a path.

    Raises:
        UsageError: it is not a path, or an empty one.
    """
    if not isinstance(root, str | os.PathLike) or root == "":
        raise UsageError(f'dir must be a path, got {describe(root)}; for the current folder: "."')
    return Path(root)


def check_name(name: str) -> None:
    """Check that the name of a run can be shown, typed, and used as the name of a folder.

    Raises:
        UsageError: it cannot, or is not a text.
    """
    instance_of("the name of a run", name, str, "choose another", error=UsageError)
    is_usable = (
        1 <= len(name) <= _MAX_NAME
        and name.isprintable()
        and name.strip() == name
        and name[0] not in ".-~"
        and not set(name) & set("/\\")
        and name != LATEST
    )
    if not is_usable:
        raise UsageError(
            f"the name of a run must have 1 to {_MAX_NAME} printable characters, none of them / or \\, and neither start"
            f' with one of . - ~ nor be {LATEST}, got "{printable(name)}"; choose another'
        )


def list_runs(root: Path) -> list[Path]:
    """Return the folders of the runs under `root`, newest first.

    The age is that of the time with which an id starts; of other names that of the newest file of the log. A root that does not exist holds no runs.

    Raises:
        RunNotFoundError: `root` cannot be read.
    """
    if not root.is_dir():
        return []
    try:
        return sorted(filter(_is_run, root.iterdir()), key=_age_key, reverse=True)
    except OSError as error:
        raise RunNotFoundError(
            f"the folder of runs must be readable, got {root} ({error.strerror}); name another `run_dir`"
        ) from error


def resolve(run: str, root: Path) -> Path:
    """Return the folder of a run, given as its id, the start of its id, `latest`, or the path of its folder.

    Raises:
        RunNotFoundError: no run matches, or several do, or `root` cannot be read.
    """
    folders = list_runs(root)
    if run == LATEST and folders:
        return folders[0]
    named = [folder for folder in folders if folder.name == run]
    named = named or [folder for folder in folders if run and folder.name.startswith(run)]
    if len(named) == 1:
        return named[0]
    if len(named) > 1:
        names = _join([folder.name for folder in named])
        raise RunNotFoundError(
            f'ambiguous run id "{printable(run)}": it matches {names}; give more of the id'
        )
    if run and _is_run(Path(run)):
        return Path(run)
    raise RunNotFoundError(_not_found(run, root, folders))


def has_events(folder: Path) -> bool:
    """Return whether the log of the run in `folder` holds anything."""
    try:
        return any(path.stat().st_size for path in (folder / LOG_FOLDER).iterdir())
    except OSError:
        return False


def _is_run(folder: Path) -> bool:
    """Return whether `folder` holds a run log."""
    try:
        return (folder / LOG_FOLDER).is_dir()
    except OSError:
        # The name is longer than the system allows, or the folder may not be entered.
        return False


def _not_found(run: str, root: Path, folders: list[Path]) -> str:
    """Return the message for an unknown run; it lists runs with a similar name, or else the newest."""
    shown_run = printable(run)
    if not folders:
        return (
            f'no run "{shown_run}"; there are no runs in {root}: start one with esper train, or name'
            " another `run_dir`"
        )
    names = [folder.name for folder in folders]
    # Imported for an error only, as commands start sooner without it.
    import difflib

    close = difflib.get_close_matches(run, [LATEST, *names], n=_MAX_LISTED)
    return f'no run "{shown_run}" in {root}; there are: {_join(close or names)}'


def _join(names: list[str]) -> str:
    return join_names([printable(name) for name in names], max_names=_MAX_LISTED)


def _age_key(folder: Path) -> tuple[str, int]:
    """Return a sort key: the second of the run's start, and within it the time at which the folder has changed."""
    start = _START.match(folder.name)
    if start is not None:
        return start.group(), _changed_ns(folder)
    changed_ns = _changed_ns(folder / LOG_FOLDER)
    try:
        return _format_time(datetime.fromtimestamp(changed_ns / 1e9, UTC)), changed_ns
    except (OverflowError, ValueError, OSError):
        # A time beyond the calendar.
        return "", changed_ns


def _changed_ns(folder: Path) -> int:
    """Return when a file was last added to `folder`; 0 if the folder has just been removed."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _format_time(time: datetime) -> str:
    """Return a time in UTC as an id starts with it."""
    return time.strftime("%Y%m%d-%H%M%S-")
