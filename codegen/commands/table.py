"""The table of commands, each a module of this package."""

from importlib import import_module

from .command import Command

DEFAULT = "generate"
NAMES = ("generate", "check", "compat", "validate", "schema", "coverage", "release")


def load_command(name: str) -> Command:
    """Import a command; the others would cost time for nothing."""
    command: Command = import_module(f".{name}", __package__).COMMAND
    return command
