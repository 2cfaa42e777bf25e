"""The arguments that name runs, which several commands share."""

import argparse
import re
from pathlib import Path

from esper.leyline.errors import RunNotFoundError

DEFAULT_RUN_DIR = Path("runs")

_FLAGS = {
    "run_dir": "--run-dir",
    "to": "--to",
    "ship_config": "--ship-config",
    "system_interval_s": "--sample-system",
    "timeout": "--timeout",
    "memory": "--memory",
}
"""The options that are not settings of a run, by the names of their Python arguments."""


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every command that reads one run."""
    parser.add_argument(
        "which", metavar="RUN", help="a run's folder, its id, the start of its id, or: latest"
    )
    add_run_dir(parser)


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the runs are."""
    parser.add_argument(
        "--run-dir",
        type=folder,
        default=DEFAULT_RUN_DIR,
        metavar="DIR",
        help="folder that holds the runs (default: %(default)s)",
    )


def check_run_dir(root: Path) -> None:
    """Check that there is a folder of runs: a list of them would be empty without it.

    Raises:
        RunNotFoundError: there is no such folder.
    """
    if not root.is_dir():
        kind = "is not a folder" if root.exists() else "does not exist"
        raise RunNotFoundError(
            f"the folder of runs must exist, but {root} {kind}; start a run with esper train, or name another --run-dir"
        )


def with_flags(message: str) -> str:
    """Return an error's `message` with options in place of the Python arguments that it writes in backticks.

    "`epochs`" becomes "--epochs", and "`epochs=12`" becomes "--epochs 12".
    """
    # Imported for an error only, as commands start sooner without it.
    from esper.tolaria.training.run_settings import SETTINGS

    flags = _FLAGS | {setting.name: setting.flag for setting in SETTINGS}

    def option(match: re.Match[str]) -> str:
        flag = flags.get(match["name"])
        return match[0] if flag is None else " ".join(filter(None, (flag, match["value"])))

    return re.sub(r"`(?P<name>\w+)(?:=(?P<value>[^`]*))?`", option, message)


def folder(text: str) -> Path:
    """Return the path of a folder that is given as an argument."""
    if not text:
        raise argparse.ArgumentTypeError("a folder must have a name, got an empty one; for here: .")
    if "\0" in text:
        raise argparse.ArgumentTypeError("a folder's name must not contain the character \\0")
    return Path(text)
