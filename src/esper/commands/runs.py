"""`esper runs`: lists the runs."""

import argparse

from rich.console import Console

from esper.commands.run_arguments import add_run_dir
from esper.karn.listing import render_runs
from esper.nissa.runs import list_runs


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        "runs",
        help="list the runs",
        description="List the runs, newest first, each with its outcome and accuracy.",
        epilog="example: esper runs --run-dir experiments",
        allow_abbrev=False,
    )
    add_run_dir(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the list and return the exit code."""
    render_runs(list_runs(options.run_dir), Console())
    return 0
