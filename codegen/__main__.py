"""The command line: python -m codegen [COMMAND], or esper-codegen [COMMAND] once installed."""

import gc
import os
import sys
from argparse import ArgumentParser

from .diagnostics.errors import CodegenError, UsageError, describe_missing
from .diagnostics.similar import suggest
from .version import VERSION

# The name before messages: that of the installed command, or of the module in this project's checkout.
_SHORT_NAME = (__package__ or "codegen").partition(".")[0].replace("_", "-")

try:
    from .commands.command import CLEAN, INVALID
    from .commands.options import add_layout_options, find_layouts, program_name
    from .commands.table import DEFAULT, NAMES, SUMMARIES, load_command
except ModuleNotFoundError as missing:
    print(f"{_SHORT_NAME}: {describe_missing(missing)}", file=sys.stderr)
    sys.exit(2)

_EXIT_CODES = "exit codes: 0 clean, 1 findings, 2 invalid contract or usage, 3 drift"


def main(argv: list[str]) -> int:
    """Run the command that the first argument names, by default `generate`; return the exit code."""
    try:
        code = _choose(argv)
        # Otherwise Python writes the rest while it exits, and reports a full disk with a traceback.
        sys.stdout.flush()
        return code
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


def _choose(argv: list[str]) -> int:
    if argv and argv[0] in ("-h", "--help", "help", "--version"):
        print(f"{program_name()} {VERSION}" if argv[0] == "--version" else _describe_commands())
        return CLEAN
    name, rest = (argv[0], argv[1:]) if argv and argv[0][:1] != "-" else (DEFAULT, argv)
    if name not in NAMES:
        hint = suggest(name, NAMES) or f"there are: {', '.join(NAMES)}"
        return _complain(f'no command "{name}"; {hint}')
    return _run(name, rest)


def run() -> int:
    """Run the command line of this process; the entry point of the console script."""
    # A run builds trees and ends: garbage collection would take a third of its time.
    gc.disable()
    return main(sys.argv[1:])


def _run(name: str, rest: list[str]) -> int:
    """Run a command on each contract that the options describe; return the greatest exit code."""
    command = load_command(name)
    parser = ArgumentParser(
        prog=f"{program_name()} {command.name}",
        description=f"{command.summary[:1].upper()}{command.summary[1:]}.",
        epilog=_EXIT_CODES,
        allow_abbrev=False,
    )
    add_layout_options(parser)
    command.add_options(parser)
    options = parser.parse_args(rest)
    code = command.run_alone(options)
    if code is not None:
        return code
    layouts = find_layouts(options)
    if len(layouts) > 1 and command.is_for_one(options):
        names = ", ".join(layout.spec.stem for layout in layouts)
        raise UsageError(f"{command.name} is for one contract; select it with --contract: {names}")
    options.num_contracts = len(layouts)
    return max(command.run(options, layout) for layout in layouts)


def _describe_commands() -> str:
    width = max(map(len, NAMES))
    lines = [f"  {name:{width}}  {SUMMARIES[name]}" for name in NAMES]
    usage = f"usage: {program_name()} [COMMAND] [OPTIONS]; COMMAND is {DEFAULT} if left out"
    return "\n".join([usage, "", *lines, "", f"{program_name()} COMMAND --help; {_EXIT_CODES}"])


def _complain(message: str) -> int:
    for line in message.splitlines():
        print(f"{_SHORT_NAME}: {line}", file=sys.stderr)
    return INVALID


if __name__ == "__main__":
    sys.exit(run())
