"""Starts shipping in the background, as a process of its own that training neither waits for nor depends on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from esper.leyline.arguments import describe
from esper.leyline.errors import MissingExtraError, UsageError
from esper.nissa.shipping.config import load_config
from esper.nissa.shipping.progress_file import SHIP_FOLDER
from esper.nissa.shipping.registry import Target, check_installed, load_sink
from esper.nissa.stderr import warn

OUTPUT_FILE = "output.txt"
"""File in `ship/` with everything that the background process prints."""

_LOWER_PRIORITY = 10
"""By how much the nice value of the process is higher; its sinks inherit it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipping:
    """The sinks that a run is to be shipped to; `prepare_shipping` makes it, before the run's folder is made."""

    targets: tuple[Target, ...]
    """The sinks whose packages are installed."""
    config: Path | None
    """File with their settings; None for the defaults."""

    def start(self, run_folder: Path) -> int | None:
        """Start `esper ship RUN --follow` for the run in `run_folder`, which this process writes; return its process id.

        It is in a session of its own, so that Ctrl-C does not reach it, and has a lower priority than this process, so that it
        takes no time from training where the cores are busy. It ends once the run has ended and the sinks have all events.
        What it prints goes to `ship/output.txt` in the run's folder. A failure to start is warned about: the run can be
        shipped later. None if there are no sinks, or on failure.
        """
        if not self.targets:
            return None
        command = [sys.executable, "-m", "esper", "ship", str(run_folder.absolute()), "--follow"]
        for target in self.targets:
            command += ["--to", target.text]
        if self.config is not None:
            command += ["--config", str(self.config.absolute())]
        output = run_folder / SHIP_FOLDER / OUTPUT_FILE
        try:
            output.parent.mkdir(exist_ok=True)
            process = _spawn(command, output.absolute())
        except (OSError, ValueError) as error:
            warn(
                f"the events of {run_folder.name} are not shipped, because no process can be started ({error});"
                f" later: esper ship {run_folder.name} --to {self.targets[0].text}"
            )
            return None
        with suppress(OSError):
            priority = os.getpriority(os.PRIO_PROCESS, 0) + _LOWER_PRIORITY
            os.setpriority(os.PRIO_PROCESS, process, priority)
            if sys.platform == "linux":
                # A process of this kind waits for its turn when it wakes up, and does not interrupt the one that runs.
                os.sched_setscheduler(process, os.SCHED_BATCH, os.sched_param(0))
        return process


def prepare_shipping(to: object, ship_config: object = None) -> Shipping:
    """Return the sinks that `to`, a list of texts, names; one whose package is missing is skipped with a warning.

    Raises:
        UsageError: `to` is not a list of texts, or names no sink, or the settings cannot be used.
    """
    if isinstance(to, str) or not isinstance(to, Iterable):
        raise UsageError(f'`to` must be a list of sinks, got {describe(to)}; write ["tensorboard"]')
    if ship_config is not None and not isinstance(ship_config, str | Path):
        raise UsageError(f"`ship_config` must be a path, got {describe(ship_config)}; name a file")
    config = None if ship_config is None else Path(ship_config)
    targets: list[Target] = []
    for text in to:
        if not isinstance(text, str):
            raise UsageError(f"`to` must hold names of sinks, got {describe(text)}")
        target = Target.parse(text)
        if any(one.label == target.label for one in targets):
            raise UsageError(f"`to` must name a sink once, got {text} twice")
        load_config(config, target.name, {})
        try:
            check_installed(load_sink(target.name), target.name)
        except MissingExtraError as error:
            warn(
                f"nothing goes to {target.text}: {error}; the log has everything, so the run can be shipped later:"
                f" esper ship RUN --to {target.text}"
            )
            continue
        targets.append(target)
    return Shipping(targets=tuple(targets), config=config)


def _spawn(command: list[str], output: Path) -> int:
    """Start a process in a session of its own and return its id.

    Not `subprocess`, which would remember the process and warn about it, although nobody waits for it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    file_actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(output), flags, 0o666),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        return os.posix_spawn(
            command[0], command, os.environ, file_actions=file_actions, setsid=True
        )
    except NotImplementedError:
        # Some systems have no sessions here; in a process group of its own, Ctrl-C does not reach it either.
        return os.posix_spawn(
            command[0], command, os.environ, file_actions=file_actions, setpgroup=0
        )
