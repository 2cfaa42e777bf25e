"""The arguments that name runs, which several commands share."""

import argparse
from pathlib import Path

DEFAULT_RUN_DIR = Path("runs")


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
        type=_folder,
        default=DEFAULT_RUN_DIR,
        metavar="DIR",
        help="folder that holds the runs (default: %(default)s)",
    )


def _folder(text: str) -> Path:
    """Return the path of a folder that is given as an argument."""
    if not text:
        raise argparse.ArgumentTypeError("a folder must have a name, got an empty one; for here: .")
    if "\0" in text:
        raise argparse.ArgumentTypeError("a folder's name must not contain the character \\0")
    return Path(text)
