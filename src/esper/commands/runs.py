"""`esper runs`: lists the runs."""

import argparse
import json
from typing import TypedDict

from esper.commands.run_arguments import add_run_dir, check_run_dir
from esper.commands.terminal import make_console, print_line
from esper.karn.listing import SORT_KEYS, render_runs, sort_runs
from esper.karn.overview import STATES, RunOverview, read_overview
from esper.karn.summary_json import to_json
from esper.nissa.runs import list_runs
from esper.nissa.tags import check_tag

NAME = "runs"

_RESUMED = "resumed"
_EPILOG = """\
states: running       a process trains it
        finished      all epochs are trained
        interrupted   ended by a signal; it can be resumed
        stopped       ended by the governor
        failed        ended by an error, which is shown
        crashed       its log has no end, and no process trains it; it can be resumed
        unreadable    its log cannot be read

examples:
  esper runs --run-dir experiments --sort grown
  esper runs --state failed --state crashed
  esper runs --tag good
  esper runs --json
"""


class RunsJson(TypedDict):
    """The runs of a folder."""

    folder: str
    runs: list[RunOverview]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="list the runs",
        description="List the runs, newest first, with the state of each. Only both ends of each log are read.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_dir(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument(
        "--sort",
        choices=SORT_KEYS,
        default="started",
        metavar="KEY",
        help=f"what to sort by: {', '.join(SORT_KEYS)}; newest, best and largest first (default: %(default)s)",
    )
    parser.add_argument("--reverse", action="store_true", help="turn the order around")
    parser.add_argument(
        "--state",
        action="append",
        choices=(*STATES, _RESUMED),
        metavar="STATE",
        help=f"only runs in this state: {', '.join(STATES)}; or {_RESUMED}: runs that were resumed; may be repeated",
    )
    parser.add_argument("--task", help="only runs of this task")
    parser.add_argument(
        "--tag",
        action="append",
        metavar="TAG",
        help="only runs with this tag, which esper tag gives; with all of them if repeated",
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the list and return exit code 0.

    Raises:
        RunNotFoundError: the folder of runs does not exist or cannot be read.
        UsageError: a tag cannot be the name of one.
    """
    root = options.run_dir
    for tag in options.tag or ():
        check_tag(tag)
    check_run_dir(root)
    runs = [read_overview(folder) for folder in list_runs(root)]
    shown = sort_runs(
        [one for one in runs if _is_wanted(one, options)], options.sort, is_reversed=options.reverse
    )
    if options.json:
        document: RunsJson = {"folder": str(root), "runs": shown}
        print(json.dumps(to_json(document), indent=2))
    elif shown:
        render_runs(shown, make_console())
    elif runs:
        print_line(
            make_console(),
            f"{len(runs)} runs in {root}, but none as asked for; try without --state, --task or --tag",
        )
    else:
        print_line(make_console(), f"no runs in {root} yet; start one with: esper train")
    return 0


def _is_wanted(run: RunOverview, options: argparse.Namespace) -> bool:
    if options.task is not None and run.task != options.task:
        return False
    if options.tag is not None and not set(options.tag) <= set(run.tags or ()):
        return False
    if options.state is None:
        return True
    return run.state in options.state or (_RESUMED in options.state and run.num_resumptions > 0)
