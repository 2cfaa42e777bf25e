"""`esper watch`: shows runs on the terminal while they go on."""

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path

from esper.commands.run_arguments import add_run_dir
from esper.karn.watch.source import RunSource
from esper.karn.watch.state_json import as_dict
from esper.leyline.errors import MissingExtraError, UsageError
from esper.nissa.runs import LATEST, list_runs, resolve

NAME = "watch"

_PACKAGES = ("textual", "textual_plotext")
_EPILOG = """\
examples:
  esper watch                       the newest run, live; ? shows the keys
  esper watch 20260105 20260106     two runs; n and p switch between them
  esper watch --json                its state now, as JSON for a script
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="show runs on the terminal, live",
        description="Show runs on the terminal, live: health, slots, loss, governor and events. Needs the extra: terminal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "which",
        metavar="RUN",
        nargs="*",
        help="a run's folder, its id, the start of its id, or: latest (default: all runs, the newest first)",
    )
    add_run_dir(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the state of the runs once, one JSON object a line",
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Show the runs until the user quits, and return exit code 0.

    Raises:
        RunNotFoundError: no run matches, or several do.
        MissingExtraError: a package that draws on the terminal is not installed.
        UsageError: there is no terminal, or it cannot be drawn on.
    """
    if options.json:
        for folder in [resolve(which, options.run_dir) for which in options.which or [LATEST]]:
            print(json.dumps(as_dict(RunSource(folder).read())))
        return 0
    _check_terminal()
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError("terminal", package=package.replace("_", "-"))
    # Imported late: these take a quarter of a second, and other commands do not need them.
    from esper.karn.watch.app import WatchApp

    def list_folders() -> list[Path]:
        return list_runs(options.run_dir)

    if options.which:
        WatchApp([resolve(which, options.run_dir) for which in options.which]).run()
    else:
        resolve(LATEST, options.run_dir)
        WatchApp(list_folders(), list_folders=list_folders).run()
    return 0


def _check_terminal() -> None:
    """Check that the program can draw on the terminal.

    Raises:
        UsageError: it cannot.
    """
    kind = os.environ.get("TERM", "")
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    problem = None
    # Textual draws on standard error.
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        problem = "standard input, output or error is not a terminal"
    elif kind in ("", "dumb", "unknown"):
        problem = f'TERM is "{kind}"'
    elif encoding != "utf8":
        problem = f"the encoding is {encoding or 'not known'}, not UTF-8"
    if problem is not None:
        raise UsageError(
            f"a terminal that programs can draw on is needed, but {problem}; for plain lines: esper tail latest --follow"
        )
