"""The command line: `esper COMMAND ...`."""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from esper.commands.run_arguments import with_flags
from esper.commands.terminal import discard_output, escape_unencodable, flush_output, print_error
from esper.leyline.errors import EsperError
from esper.leyline.failure import describe_failure
from esper.leyline.text import did_you_mean
from esper.tolaria.training.stop_request import StopAtOnce, exit_code
from esper.version import VERSION

_COMMANDS = (
    "train",
    "watch",
    "summary",
    "explain",
    "compare",
    "report",
    "runs",
    "tag",
    "gc",
    "lint-log",
    "tail",
    "ship",
    "export",
    "query",
    "schema",
    "tasks",
    "blueprints",
    "policies",
    "script",
    "completion",
    "help",
)
"""The commands, in the order of the help; `esper.commands` has a module for each, `help_command` for `help`."""

_NEEDS_ALL = ("completion", "help")
"""Commands that need the parsers of the others."""

_USAGE_EXIT_CODE = 2
_BUG_EXIT_CODE = 70
_TRACEBACK_VARIABLE = "ESPER_TRACEBACK"
_EPILOG = """\
example: esper train --seed 1   then: esper summary latest

exit codes: 0 success, 2 an error that you can correct, 70 an error in Esper or in a task of your own,
            130, 143, 129 ended by Ctrl-C, SIGTERM, SIGHUP, 141 the reader of the output has gone;
            the help of a command lists further ones
environment: ESPER_TRACEBACK=1 shows the traceback of an error 70
"""


class _Parser(argparse.ArgumentParser):
    """Reports bad arguments in one line that says how to correct them."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with code 2."""
        print_error(f"{self.prog}: {message}; see {self.prog} --help")
        self.exit(_USAGE_EXIT_CODE)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help or version; unlike the original, which ignores errors, raise OSError if that fails."""
        if message:
            print(message, end="", file=file, flush=True)


def _build_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser of all commands; of one only if the arguments begin with its name, as importing all takes longer."""
    parser = _Parser(
        prog="esper",
        description="Train PyTorch networks that grow, under a governor that rolls back when training breaks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"esper {VERSION}")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )
    first = arguments[0] if arguments else None
    is_alone = first in _COMMANDS and first not in _NEEDS_ALL
    for name in _COMMANDS:
        if name == first or not is_alone:
            module = "help_command" if name == "help" else name.replace("-", "_")
            importlib.import_module(f"esper.commands.{module}").add_parser(subparsers)
    if not is_alone:
        subparsers.choices["help"].set_defaults(parsers={"esper": parser, **subparsers.choices})
        subparsers.choices["completion"].set_defaults(root=parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 for success, 2 for an error that the user can correct.

    `arguments` are those of the process when None. Some commands have further exit codes; their help lists them. Errors are
    one line on standard error; with ESPER_TRACEBACK in the environment, those that are not the user's are raised.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    escape_unencodable()
    # The error that a command ends with is said under its name.
    name = "esper" if not arguments or arguments[0].startswith("-") else f"esper {arguments[0]}"
    try:
        return _run(arguments)
    except EsperError as error:
        print_error(f"{name}: {with_flags(str(error))}")
        return _USAGE_EXIT_CODE
    except KeyboardInterrupt as error:
        number = signal.SIGINT if not isinstance(error, StopAtOnce) else error.number
        print_error(f"{name}: ended by {signal.Signals(number).name}")
        return exit_code(number)
    except BrokenPipeError:
        # Nobody is left to read more, so nothing is said, as by other programs.
        discard_output()
        return exit_code(signal.SIGPIPE)
    except OSError as error:
        discard_output()
        place = "the output" if error.filename is None else os.fsdecode(error.filename)
        print_error(f"{name}: cannot read or write {place} ({error.strerror or error})")
        return _USAGE_EXIT_CODE
    except Exception as error:
        # A traceback says nothing to a user, and may hold characters that a terminal acts on.
        if os.environ.get(_TRACEBACK_VARIABLE):
            raise
        print_error(f"{name}: {describe_failure(error)}; for more: {_TRACEBACK_VARIABLE}=1")
        return _BUG_EXIT_CODE


def _run(arguments: Sequence[str]) -> int:
    parser = _build_parser(arguments)
    options = _parse(parser, arguments)
    code: int = options.run(options)
    flush_output()
    return code


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed arguments; exit with code 2 and a suggestion if a command or an option is unknown."""
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    # The options before the command, --help and --version, take no value, so this is the command.
    if name is not None and name not in _COMMANDS:
        hint = did_you_mean(name, _COMMANDS) or f"; there are: {', '.join(_COMMANDS)}"
        parser.error(f"no command {_quote(name)}{hint}")
    if name is None and arguments:
        _check_options(parser, arguments)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        _refuse_argument(options.parser, unknown[0])
    return options


def _check_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Refuse an unknown option where a command is missing, too: argparse would only say that the command is."""
    known = _options(parser)
    for argument in arguments:
        if argument not in known:
            _refuse_argument(parser, argument)


def _refuse_argument(parser: argparse.ArgumentParser, argument: str) -> NoReturn:
    hint = did_you_mean(argument.partition("=")[0], _options(parser))
    parser.error(f"unknown argument {argument}{hint}")


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings]


def _quote(name: str) -> str:
    return f'"{name[:200]}"'
