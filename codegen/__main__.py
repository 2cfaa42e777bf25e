"""The command line: python -m codegen [COMMAND]."""

import os
import sys
from argparse import ArgumentParser

from codegen.commands.command import INVALID
from codegen.commands.options import add_layout_options, choose_layout
from codegen.commands.table import COMMANDS, DEFAULT
from codegen.errors import CodegenError
from codegen.similar import suggest

_EXIT_CODES = "exit codes: 0 clean, 1 findings, 2 invalid contract or usage, 3 drift"


def main(argv: list[str]) -> int:
    """Run the command that the arguments name, or generate; return its exit code."""
    commands = {command.name: command for command in COMMANDS}
    if argv and not argv[0].startswith("-"):
        if argv[0] not in commands:
            hint = suggest(argv[0], commands) or f"there are: {', '.join(commands)}"
            return _complain(f'no command "{argv[0]}"; {hint}')
        command, argv = commands[argv[0]], argv[1:]
    else:
        command = DEFAULT
    parser = ArgumentParser(
        prog=f"python -m codegen {command.name}",
        description=f"{command.summary}. Commands: {', '.join(commands)}.",
        epilog=_EXIT_CODES,
        allow_abbrev=False,
    )
    add_layout_options(parser)
    command.add_options(parser)
    options = parser.parse_args(argv)
    try:
        return command.run(options, choose_layout(options))
    except CodegenError as error:
        return _complain(str(error))
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain once more while it exits.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - it stays open until the end
        return INVALID
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}")


def _complain(message: str) -> int:
    print(f"codegen: {message}", file=sys.stderr)
    return INVALID


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
