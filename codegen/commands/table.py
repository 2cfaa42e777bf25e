"""The table of commands; each is a module of this package with a `COMMAND`."""

from importlib import import_module

from .command import Command

DEFAULT = "generate"
SUMMARIES = {
    "init": "write a first contract, and the table in pyproject.toml that configures it",
    "generate": "write the files of the contract, and remove those that no longer belong to it",
    "check": "compare the files on disk with the contract",
    "validate": "check a contract and print the findings",
    "compat": "report who is broken by a change of the contract, and the remedies",
    "release": "store the contract as a release, with golden records",
    "coverage": "find events and fields that are not emitted, not read, constant, or (--log) missing in a run",
    "schema": "print the JSON Schema of contracts, for editors",
}
"""The commands with a line of help each, which is needed without importing all of them."""
NAMES = tuple(SUMMARIES)


def load_command(name: str) -> Command:
    """Import a command and return it; importing all of them would take longer."""
    command: Command = import_module(f".{name}", __package__).COMMAND
    return command
