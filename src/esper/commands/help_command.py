"""`esper help`: shows the help of a command."""

import argparse

from esper.leyline.errors import UsageError
from esper.leyline.text import did_you_mean

NAME = "help"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments; the parsers to choose from are set as `parsers` later."""
    parser = subparsers.add_parser(
        NAME,
        help="show the help of a command",
        description="Show the help of a command; without one, the list of commands.",
        epilog="example: esper help train",
        allow_abbrev=False,
    )
    parser.add_argument("topic", nargs="?", default="esper", metavar="COMMAND", help="a command")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the help and return exit code 0.

    Raises:
        UsageError: there is no such command.
    """
    if options.topic not in options.parsers:
        names = [name for name in options.parsers if name != "esper"]
        hint = did_you_mean(options.topic, names) or f"; there are: {', '.join(names)}"
        raise UsageError(f'no command "{options.topic[:200]}"{hint}')
    print(options.parsers[options.topic].format_help(), end="")
    return 0
