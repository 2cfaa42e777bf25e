"""Does something again whenever a file changes."""

import time
from collections.abc import Callable
from pathlib import Path

_POLL_S = 0.3


def watch(path: Path, act: Callable[[], int]) -> int:
    """Act now and after every change of the file, until it is interrupted; return the last exit code."""
    code = act()
    seen = _stamp(path)
    print(f"watching {path}; Ctrl-C ends it", flush=True)
    try:
        while True:
            time.sleep(_POLL_S)
            if _stamp(path) != seen:
                seen = _stamp(path)
                code = act()
    except KeyboardInterrupt:
        return code


def _stamp(path: Path) -> tuple[int, int]:
    """Tell versions of a file apart; editors that replace a file leave a moment without one."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
