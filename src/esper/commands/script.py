"""`esper script`: prints the decisions of a run as a script, to repeat or change them."""

import argparse

from esper.commands.run_arguments import add_run_arguments
from esper.karn.decisions import read_decisions
from esper.leyline.script import to_text
from esper.nissa.runs import resolve

NAME = "script"

_EPILOG = """\
example: esper script latest > grown.yaml   then: esper train --policy grown.yaml

With the task, seed and epochs of the run the script repeats it exactly. Remove a line to see what the decision was worth.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="print the growth decisions of a run as a script",
        description="Print the decisions of a run's growth policy as a script that esper train --policy carries out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the script and return exit code 0.

    Raises:
        RunNotFoundError: no run matches, or several do.
        LogError: the run's log cannot be read.
    """
    folder = resolve(options.which, options.run_dir)
    print(to_text(read_decisions(folder), title=f"The decisions of run {folder.name}"), end="")
    return 0
