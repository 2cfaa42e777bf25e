"""`esper summary`: summarises one run."""

import argparse
import json

from esper.commands.run_arguments import add_run_arguments
from esper.commands.terminal import make_console
from esper.karn.run import read_story
from esper.karn.summary import render
from esper.karn.summary_json import as_dict
from esper.nissa.runs import resolve
from esper.nissa.tags import read_tags

NAME = "summary"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="summarise a run",
        description="Summarise a run: accuracies, parameters, the seeds of each slot, snapshots and rollbacks.",
        epilog="example: esper summary latest --json",
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument(
        "--strict", action="store_true", help="refuse a log that has a damaged line"
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the summary and return exit code 0.

    Raises:
        RunNotFoundError: no run matches, or several do.
        LogError: the run's log is empty or cannot be read, or has a damaged line and `--strict` was given; or its
            tags cannot be read.
    """
    folder = resolve(options.which, options.run_dir)
    story = read_story(folder, strict=options.strict)
    tags = read_tags(folder)
    if options.json:
        print(json.dumps({**as_dict(story), "tags": tags}, indent=2))
    else:
        render(story, make_console(), tags=tags)
    return 0
