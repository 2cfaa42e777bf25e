"""Writes files completely or not at all, one or several at a time, and one process after the other."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

TEMPORARY = ".codegen-tmp"
"""The suffix of temporary files: whatever a killed run leaves has it."""


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the file at `path` with `data`; a reader sees either the old bytes or the new ones.

    Only one process at a time writes below a folder, so temporary files of this path were left by a killed process;
    they are removed.

    Raises:
        OSError: the file could not be written; the old one is unchanged.
    """
    with locked(path.parent):
        for left_over in find_left_over(path.parent, [path.name]):
            left_over.unlink(missing_ok=True)
        with staged([(path, data)]) as temporary:
            os.replace(temporary[0], path)


@contextmanager
def staged(files: Iterable[tuple[Path, bytes]]) -> Iterator[list[Path]]:
    """Write the data of each path to a temporary file next to it; yield the temporary files, in the same order.

    A full disk or a folder that cannot be written is noticed here, before any file is replaced. The temporary files
    that the body has not moved away are removed afterwards.

    Raises:
        OSError: a temporary file could not be written; its `filename` is the path that it was meant for.
    """
    temporary: list[Path] = []
    try:
        for path, data in files:
            try:
                temporary.append(_create(path))
                temporary[-1].write_bytes(data)
                temporary[-1].chmod(0o644)
            except OSError as error:
                # What fails is a name that nobody knows, or, when a disk is full, no name at all.
                raise OSError(error.errno, error.strerror, str(path)) from None
        yield temporary
    finally:
        for one in temporary:
            with suppress(OSError):
                one.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process holds the lock of a folder, and hold it; killed processes hold none.

    Where the system has no such locks, processes do not wait: each file is still complete, and the last writer wins.
    """
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse locks of folders.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def find_left_over(folder: Path, names: Iterable[str] | None = None) -> list[Path]:
    """Return the temporary files in a folder; with `names`, only those that were meant for these files."""
    if not folder.is_dir():
        return []
    wanted = None if names is None else set(names)
    found = []
    for path in sorted(folder.glob(f".*{TEMPORARY}")):
        # A temporary file is called .NAME.RANDOM and the suffix.
        name = path.name.removesuffix(TEMPORARY)[1:].rpartition(".")[0]
        if wanted is None or name in wanted:
            found.append(path)
    return found


def _create(path: Path) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY)
    os.close(handle)
    return Path(name)
