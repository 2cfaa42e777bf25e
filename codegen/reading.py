"""Reads files that somebody else names: only regular files, and only up to a limit.

Reading a device or a pipe to its end may never finish, or fill the memory.
"""

import errno
import os
import stat
import sys
from pathlib import Path


class TooLargeError(OSError):
    """A file has more bytes than are read."""

    def __init__(self, path: Path, limit: int, size: int) -> None:
        super().__init__(errno.EFBIG, f"at most {limit} bytes are read, got {size}", str(path))
        self.size = size


def has_bytes(path: Path, data: bytes) -> bool:
    """Return whether the content of a regular file is `data`; a file of another size is not read."""
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the content of a regular file with at most `limit` bytes.

    Raises:
        TooLargeError: the file has more bytes.
        OSError: the file is not a regular one, or cannot be read.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "only a regular file is read", str(path))
        # The size of some regular files, as in /proc, is not known before they are read.
        data = file.read(limit + 1) if status.st_size <= limit else b""
        size = max(status.st_size, len(data))
    if size > limit:
        raise TooLargeError(path, limit, size)
    return data


def _open_at_once(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a named pipe waits for somebody to write to it; Windows has no such flag.
    return os.open(path, flags | (os.O_NONBLOCK if sys.platform != "win32" else 0))
