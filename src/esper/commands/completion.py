"""`esper completion`: prints a script with which a shell completes commands and options."""

import argparse

from esper.leyline.errors import MissingExtraError

NAME = "completion"

_SHELLS = ("bash", "zsh", "tcsh")
_EPILOG = """\
examples:
  bash   esper completion bash > ~/.local/share/bash-completion/completions/esper
  zsh    esper completion zsh > ~/.zfunc/_esper     with ~/.zfunc in fpath before compinit
  tcsh   esper completion tcsh >> ~/.tcshrc
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments; the parser of all commands is set as `root` later."""
    parser = subparsers.add_parser(
        NAME,
        help="print a script for completion in a shell",
        description="Print a script with which a shell completes the commands and options of esper.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the script and return exit code 0.

    Raises:
        MissingExtraError: the package that writes the script is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise MissingExtraError("completion", package="shtab") from error
    print(shtab.complete(options.root, options.shell))
    return 0
