"""Reads files that must be regular ones: a named pipe in a file's place would otherwise block the reader for ever."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_regular_file(path: Path) -> bytes:
    """Return the content of the file at `path`, which may be a link to a regular file.

    Raises:
        FileNotFoundError: there is no such file, or `path` is a link to one that does not exist.
        OSError: it cannot be read, or it is not a regular file.
    """
    # A named pipe without a writer opens at once in this mode, and a regular file takes no notice of it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind != stat.S_IFREG:
            name = _KINDS.get(kind, "something else")
            raise OSError(errno.EINVAL, f"it is {name}, not a file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)
