"""`esper explain`: says in sentences what happened in a run, what looks wrong, and what to try."""

import argparse
import json

from esper.commands.run_arguments import add_run_arguments
from esper.commands.terminal import make_console, print_text
from esper.karn.explain.explanation import as_json, describe, explain
from esper.karn.run import read_story
from esper.nissa.runs import resolve

NAME = "explain"

_EPILOG = """\
Advice stands only where a number crosses a threshold, and names it. [seq 812, epoch 14] is the line of the log that a
sentence is from; --events lists all of them.

examples:
  esper explain latest
  esper explain latest --events
  esper explain latest --json | jq '.[] | select(.kind == "wrong") | .text'
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="say in sentences what happened, what looks wrong and what to try",
        description="Say in sentences, with the numbers, what happened in a run, what looks wrong, and what to try.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON list instead of text")
    parser.add_argument(
        "--events", action="store_true", help="list the events that each sentence is from"
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the sentences and return exit code 0.

    Raises:
        RunNotFoundError: no run matches, or several do.
        LogError: the run's log is empty or cannot be read.
    """
    findings = explain(read_story(resolve(options.which, options.run_dir)))
    if options.json:
        print(json.dumps(as_json(findings), indent=2))
        return 0
    console = make_console()
    print_text(console, describe(findings, width=console.width, with_events=options.events))
    return 0
