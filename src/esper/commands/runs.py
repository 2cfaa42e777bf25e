"""`esper runs`: lists the runs."""

import argparse
from pathlib import Path

from rich.console import Console

from esper.karn.listing import render_runs
from esper.nissa.runs import list_runs


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "runs",
        help="list the runs",
        description="List the runs, newest first, with the outcome of each.",
        epilog="example: esper runs --run-dir experiments",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="folder that holds the runs (default: %(default)s)",
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the list and return exit code 0.

    Raises:
        RunNotFoundError: the folder of runs cannot be read.
    """
    render_runs(list_runs(options.run_dir), Console())
    return 0
