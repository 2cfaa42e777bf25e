"""The table of commands; each is a module of this package with a `COMMAND`."""

from importlib import import_module

from .command import Command

DEFAULT = "generate"
NAMES = ("generate", "check", "compat", "validate", "schema", "coverage", "release")


def load_command(name: str) -> Command:
    """Import a command and return it; importing all of them would take longer."""
    command: Command = import_module(f".{name}", __package__).COMMAND
    return command
