"""`esper runs`: lists the runs."""

import argparse

from esper.commands.run_arguments import add_run_dir
from esper.commands.terminal import make_console
from esper.karn.listing import render_runs
from esper.nissa.runs import list_runs

NAME = "runs"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="list the runs",
        description="List the runs, newest first, with the outcome of each.",
        epilog="example: esper runs --run-dir experiments",
        allow_abbrev=False,
    )
    add_run_dir(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the list and return exit code 0.

    Raises:
        RunNotFoundError: the folder of runs cannot be read.
    """
    render_runs(list_runs(options.run_dir), make_console())
    return 0
