"""The command line: python -m codegen [COMMAND]."""

import gc
import os
import sys
from argparse import ArgumentParser

from .diagnostics.errors import CodegenError, describe_missing
from .diagnostics.similar import suggest

try:
    from .commands.command import INVALID
    from .commands.options import add_layout_options, choose_layout
    from .commands.table import DEFAULT, NAMES, load_command
except ModuleNotFoundError as missing:
    print(f"codegen: {describe_missing(missing)}", file=sys.stderr)
    sys.exit(2)

_EXIT_CODES = "exit codes: 0 clean, 1 findings, 2 invalid contract or usage, 3 drift"


def main(argv: list[str]) -> int:
    """Run the command that the first argument names, by default `generate`; return the exit code."""
    name, rest = (argv[0], argv[1:]) if argv and argv[0][:1] != "-" else (DEFAULT, argv)
    if name not in NAMES:
        hint = suggest(name, NAMES) or f"there are: {', '.join(NAMES)}"
        return _complain(f'no command "{name}"; {hint}')
    try:
        return _run(name, rest)
    except CodegenError as error:
        return _complain(str(error))
    except BrokenPipeError:
        # The reader, such as head, has closed the pipe; without this, Python reports that again while it exits.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - it stays open until the process ends
        return INVALID
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        return _complain(f"{place}{error.strerror}")
    except ModuleNotFoundError as error:
        return _complain(describe_missing(error))
    except RecursionError:
        return _complain("the input is nested too deeply")
    except MemoryError:
        return _complain("there is not enough memory for the input")


def _run(name: str, rest: list[str]) -> int:
    command = load_command(name)
    parser = ArgumentParser(
        prog=f"python -m codegen {command.name}",
        description=f"{command.summary}. Commands: {', '.join(NAMES)}.",
        epilog=_EXIT_CODES,
        allow_abbrev=False,
    )
    add_layout_options(parser)
    command.add_options(parser)
    options = parser.parse_args(rest)
    return command.run(options, choose_layout(options))


def _complain(message: str) -> int:
    print(f"codegen: {message}", file=sys.stderr)
    return INVALID


if __name__ == "__main__":
    # A run builds trees and ends: garbage collection would take a third of its time.
    gc.disable()
    sys.exit(main(sys.argv[1:]))
