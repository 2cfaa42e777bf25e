"""The command line: python -m codegen [COMMAND]."""

import gc
import os
import sys
from argparse import ArgumentParser

from .dependencies import explain_missing

try:
    from .commands.command import INVALID
    from .commands.options import add_layout_options, choose_layout
    from .commands.table import DEFAULT, NAMES, load_command
    from .diagnostics.errors import CodegenError
    from .diagnostics.similar import suggest
except ModuleNotFoundError as error:
    print(explain_missing(error), file=sys.stderr)
    sys.exit(2)

_EXIT_CODES = "exit codes: 0 clean, 1 findings, 2 invalid contract or usage, 3 drift"


def main(argv: list[str]) -> int:
    """Run the command that the first argument names, by default `generate`; return the exit code."""
    name, rest = (argv[0], argv[1:]) if argv and argv[0][:1] != "-" else (DEFAULT, argv)
    if name not in NAMES:
        hint = suggest(name, NAMES) or f"there are: {', '.join(NAMES)}"
        return _complain(f'no command "{name}"; {hint}')
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
    try:
        return command.run(options, choose_layout(options))
    except CodegenError as error:
        return _complain(str(error))
    except ModuleNotFoundError as error:
        print(explain_missing(error), file=sys.stderr)
        return INVALID
    except BrokenPipeError:
        # The reader, such as head, has closed the pipe; without this, Python reports that again while it exits.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - it stays open until the process ends
        return INVALID
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _complain(message: str) -> int:
    print(f"codegen: {message}", file=sys.stderr)
    return INVALID


if __name__ == "__main__":
    # A run builds trees and ends: garbage collection would take a third of its time.
    gc.disable()
    sys.exit(main(sys.argv[1:]))
