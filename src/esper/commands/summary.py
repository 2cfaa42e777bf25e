"""`esper summary`: summarizes one run."""

import argparse
import json
from pathlib import Path

from rich.console import Console

from esper.karn.run import read_story
from esper.karn.summary import render
from esper.karn.summary_json import as_dict
from esper.nissa.runs import resolve


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "summary",
        help="summarize a run",
        description="Summarize a run: accuracies, parameters, the seeds of each slot, snapshots and rollbacks.",
        epilog="example: esper summary latest --json",
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.set_defaults(run=run, parser=parser)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a run; every command that reads one has them."""
    parser.add_argument(
        "which", metavar="RUN", help="a run's folder, its id, the start of its id, or: latest"
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="folder that holds the runs (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the summary and return exit code 0.

    Raises:
        RunNotFoundError: no run matches, or several do.
        LogError: the run's log is damaged or empty.
    """
    story = read_story(resolve(options.which, options.run_dir))
    if options.json:
        print(json.dumps(as_dict(story), indent=2))
    else:
        render(story, Console())
    return 0
