"""Locks one rank of a run's folder, because two writers of one rank would hide each other's events.

The lock is `flock` on `.lock` in the run's folder, on `.lock-RANK` for ranks other than 0. The kernel releases it when the
process ends, however it ends. Within a process the parts of a run share it: training and its log each hold one role.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final, final

from esper.leyline.errors import UsageError
from esper.nissa.stderr import warn

try:
    import fcntl
except ModuleNotFoundError as error:
    raise ImportError(
        "a run must be written on Linux or macOS, because its lock needs flock, which Windows does not have;"
        " use WSL; reading runs works"
    ) from error


_RETRIES = 4
_RETRY_DELAY_S = 0.01
"""A list of runs holds a lock for some microseconds to see whether it is free; it must not keep a writer out."""


class Role(Enum):
    """The parts of a process that lock a run; each role has one holder at a time."""

    TRAINING = "trains the run"
    LOG = "writes the log, or rewinds it"
    JOINING = "chooses a rank of its own"


@final
class RunLock:
    """One role of this process in one rank of a run; `acquire` makes it."""

    def __init__(self, file: _LockFile, role: Role) -> None:
        """Hold `role` until `release`; `file` is locked."""
        self._file = file
        self._role = role
        self._is_held = True

    @classmethod
    def acquire(cls, folder: Path, role: Role, *, rank: int = 0) -> RunLock | None:
        """Lock `rank` of the run in `folder`; None if another process holds it, or this one in the same role.

        A file system without locks is warned about, and the run goes on unlocked.

        Raises:
            OSError: the lock's file cannot be made.
        """
        path = _path(folder.resolve(), rank)
        with _mutex:
            file = _files.get(path) or _LockFile(path)
            # A process that joins tries every rank from the first one, so it does not wait at those that are taken.
            num_retries = 0 if role is Role.JOINING else _RETRIES
            if role in file.roles or not file.lock(num_retries=num_retries):
                return None
            file.roles.add(role)
            _files[path] = file
            return cls(file, role)

    def renew(self) -> bool:
        """Lock the file at the path again if it was removed; return False if another process holds the new one.

        Raises:
            OSError: the lock's file cannot be made.
        """
        with _mutex:
            # No waiting: the log tries again at its next event, and emits in between.
            return self._file.lock(num_retries=0)

    def release(self) -> None:
        """Give up the role; the last role of the process unlocks the rank. Further calls do nothing."""
        with _mutex:
            if not self._is_held:
                return
            self._is_held = False
            self._file.roles.discard(self._role)
            if not self._file.roles:
                self._file.unlock()
                if _files.get(self._file.path) is self._file:
                    del _files[self._file.path]


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Lock the run in `folder` for the process that trains it; its log can still be attached in this process.

    Raises:
        UsageError: another process holds the lock, or this one trains the run already.
    """
    lock = RunLock.acquire(folder, Role.TRAINING)
    if lock is None:
        raise UsageError(
            f"a run must be trained by one process at a time, got {folder.name}, which another process is"
            " training; wait until that ends or stop it"
        )
    try:
        yield
    finally:
        lock.release()


def describe_holder(folder: Path, *, rank: int = 0) -> str:
    """Return which process holds the lock, as it has written there: `process 123 on host`, or `this process`."""
    with suppress(OSError):
        text = _path(folder, rank).read_bytes()[:300].decode(errors="replace")
        pid, _, host = text.strip().partition(" ")
        if pid == str(os.getpid()) and host == socket.gethostname():
            return "this process"
        if pid.isdecimal() and host.isprintable() and host:
            return f"process {pid} on {host}"
    return "another process"


def _path(folder: Path, rank: int) -> Path:
    return folder / (".lock" if rank == 0 else f".lock-{rank}")


@final
class _LockFile:
    """The file that holds the lock of one rank, opened once in this process.

    Attributes:
        path: the file.
        roles: the roles that this process holds.
    """

    def __init__(self, path: Path) -> None:
        """Prepare to lock `path`."""
        self.path: Final = path
        self.roles: set[Role] = set()
        self._descriptor = -1

    def lock(self, *, num_retries: int) -> bool:
        """Lock the file that is at the path now; return False if another process keeps it locked.

        Raises:
            OSError: the file cannot be made, or is not a regular file.
        """
        while not self._is_locked_at_path():
            self.unlock()
            descriptor = _open(self.path)
            if not self._try_to_lock(descriptor, num_retries):
                os.close(descriptor)
                return False
            self._descriptor = descriptor
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        return True

    def _try_to_lock(self, descriptor: int, num_retries: int) -> bool:
        """Lock an open file; return False if another process keeps it locked. Warn if the file system has no locks."""
        for number in range(num_retries + 1):
            if number:
                time.sleep(_RETRY_DELAY_S)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError as error:
                warn(
                    f"{self.path} cannot be locked ({error.strerror}); make sure yourself that one process at a time"
                    " writes the run"
                )
            return True
        return False

    def unlock(self) -> None:
        """Unlock the file and close it."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def close_in_child(self) -> None:
        """Close a forked child's copy; the parent's lock is not released, and ends with the parent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_locked_at_path(self) -> bool:
        """Return whether the locked file is still the one at the path: a folder may be removed and made again."""
        if self._descriptor < 0:
            return False
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False


def _open(path: Path) -> int:
    """Open the lock's file, which is made if it does not exist, and return the descriptor.

    Raises:
        OSError: it cannot be made, or is a link, a pipe or a device: a run's folder may come from somebody else, and the
            file that a link points to must not be overwritten.
    """
    # Without O_NONBLOCK a device could block.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file", str(path))


_files: dict[Path, _LockFile] = {}
_mutex = threading.RLock()


def _forget_in_child() -> None:
    global _mutex
    _mutex = threading.RLock()
    for file in _files.values():
        file.close_in_child()
    _files.clear()


os.register_at_fork(after_in_child=_forget_in_child)
