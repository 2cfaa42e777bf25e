"""`esper compare`: shows the differences between runs."""

import argparse
import json

from esper.commands.run_arguments import add_run_dir
from esper.commands.terminal import make_console, print_text
from esper.karn.compare.comparison import compare
from esper.karn.compare.text import describe
from esper.karn.run import read_story
from esper.karn.summary_json import to_json
from esper.leyline.errors import UsageError
from esper.nissa.runs import resolve

NAME = "compare"

_EPILOG = """\
Runs that differ only in their seed are a group, with the mean and its 95 % interval by Student. Losses are compared with
those of the first run: where they are no longer exactly the same, and where they differ by more than noise.

examples:
  esper compare latest 20260105
  esper compare runs/2026010*                  groups of runs with several seeds
  esper compare 20260105 20260106 --json | jq .configuration
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="show the differences between runs",
        description="Show the differences between runs: configuration, versions, results, losses, seeds, governor and cost.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="two runs or more, each by its folder, its id, the start of its id, or: latest",
    )
    add_run_dir(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the differences and return exit code 0.

    Raises:
        RunNotFoundError: a run cannot be found, or several match.
        UsageError: fewer than two runs are named.
        LogError: the log of a run is empty or cannot be read.
    """
    folders = list(dict.fromkeys(resolve(one, options.run_dir) for one in options.runs))
    if len(folders) < 2:
        raise UsageError(
            f"a comparison needs two different runs, got {len(folders)}; list them: esper runs"
        )
    comparison = compare([read_story(folder) for folder in folders])
    if options.json:
        print(json.dumps(to_json(comparison), indent=2))
        return 0
    console = make_console()
    print_text(console, describe(comparison, width=console.width))
    return 0
