"""The arguments that name runs, which several commands share."""

import argparse
from pathlib import Path


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
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="folder that holds the runs (default: %(default)s)",
    )
