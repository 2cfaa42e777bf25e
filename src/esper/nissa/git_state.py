"""Asks git for the commit of the program and whether its files have been changed, without waiting for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import final

_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_COMMAND_TIMEOUT_S = 30.0
"""Seconds after which a git that hangs, for example on a file system in the network, is killed."""
_OPTIONS = ("--no-optional-locks", "-c", "core.fsmonitor=false")
"""Git must neither write to the repository nor start a program that the repository names."""


@final
class GitState:
    """The state of the Git repository around the current folder, or else around the program that runs.

    A thread asks git from the beginning. `wait` gives it a moment; whatever git has not answered by then stays None.

    Attributes:
        commit: the commit that is checked out, in hexadecimal; None if it is not known.
        is_dirty: whether files of that commit have been changed; None if it is not known.
    """

    def __init__(self, folders: tuple[Path, ...] | None = None) -> None:
        """Start to ask for the first of `folders` that is in a repository."""
        self.commit: str | None = None
        self.is_dirty: bool | None = None
        self._folders = _default_folders() if folders is None else folders
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._ask, name="esper-git", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Wait until git has answered, for at most `timeout_s` seconds from the beginning."""
        self._thread.join(max(0.0, self._started + timeout_s - time.monotonic()))

    def _ask(self) -> None:
        for folder in self._folders:
            commit = _git(folder, "rev-parse", "--verify", "HEAD")
            if commit is not None and _COMMIT.fullmatch(commit):
                self.commit = commit
                status = _git(folder, "status", "--porcelain", "--untracked-files=no")
                self.is_dirty = None if status is None else status != ""
                return


def _default_folders() -> tuple[Path, ...]:
    script = vars(sys.modules["__main__"]).get("__file__")
    try:
        here = Path.cwd()
    except OSError:
        # The current folder has been removed.
        here = Path("/")
    installed = (Path(sys.prefix), Path(__file__).parents[1])
    path = None if script is None else Path(script).absolute()
    # A program that is installed says nothing about the repository that its environment may be in.
    if path is None or any(path.is_relative_to(folder) for folder in installed):
        return (here,)
    return (here, path.parent)


def _git(folder: Path, *words: str) -> str | None:
    """Return what git prints; None if it is not installed, fails, or takes too long."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *_OPTIONS, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_TIMEOUT_S,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
