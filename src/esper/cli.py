"""The command line: `esper COMMAND ...`."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import NoReturn

from esper.commands import lint_log, runs, summary, train
from esper.commands.run_arguments import with_flags
from esper.leyline.errors import EsperError
from esper.version import VERSION

_COMMANDS = (train, summary, runs, lint_log)
_USAGE_EXIT_CODE = 2


class _Parser(argparse.ArgumentParser):
    """Reports bad arguments in one line that says how to correct them."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with code 2."""
        self.exit(_USAGE_EXIT_CODE, f"{self.prog}: {message}; see {self.prog} --help\n")


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="esper",
        description="Train PyTorch networks that grow, under a governor that rolls back when training breaks.",
        epilog="example: esper train --seed 1   then: esper summary latest",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"esper {VERSION}")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )
    for command in _COMMANDS:
        command.add_parser(subparsers)
    return parser


def _suggestion(unknown: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """Return `; did you mean --epochs?` if the first unknown argument resembles an option, else nothing."""
    known = [option for action in parser._actions for option in action.option_strings]
    close = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 for success, 2 for an error that the user can correct.

    `arguments` are those of the process when None. Some commands have further exit codes; their help lists them.
    """
    parser = _build_parser()
    options, unknown = parser.parse_known_args(arguments)
    command_parser: argparse.ArgumentParser = options.parser
    if unknown:
        hint = _suggestion(unknown, command_parser)
        command_parser.error(f"unknown argument {unknown[0]}{hint}")
    try:
        exit_code: int = options.run(options)
    except EsperError as error:
        print(f"esper {options.command}: {with_flags(str(error))}", file=sys.stderr)
        return _USAGE_EXIT_CODE
    return exit_code
