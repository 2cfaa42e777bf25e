"""`esper policies`: lists the growth policies."""

import argparse
import inspect
from typing import Final

from esper.commands.terminal import make_console, print_line
from esper.tamiyo.heuristic import HeuristicPolicy

NAME = "policies"

POLICIES: Final = {"heuristic": HeuristicPolicy}
"""The policies that Esper ships; `esper train` uses the first."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command, which has no arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="list the growth policies",
        description="List the growth policies that Esper ships.",
        epilog="A policy of your own is passed to esper.run_task in Python.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)


def run(_options: argparse.Namespace) -> int:
    """Print a line for each policy and return exit code 0."""
    console = make_console()
    for name, policy in POLICIES.items():
        summary = (inspect.getdoc(policy) or "").partition("\n")[0]
        print_line(console, f"{name}  esper.{policy.__name__}: {summary}")
    return 0
