"""`esper summary`: prints the result of a run."""

import argparse
import json

from rich.console import Console

from esper.commands.run_arguments import add_run_arguments
from esper.karn.run import read_story
from esper.karn.summary import as_dict, render
from esper.nissa.runs import resolve


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        "summary",
        help="print the result of a run",
        description="Print the result of a run: accuracies, parameters, each slot's history, the governor's actions.",
        epilog="example: esper summary latest --json",
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the summary and return the exit code."""
    story = read_story(resolve(options.which, options.run_dir))
    if options.json:
        print(json.dumps(as_dict(story), indent=2))
    else:
        render(story, Console())
    return 0
