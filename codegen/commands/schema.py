"""The command schema: prints the JSON Schema of contracts, for editors."""

import json
from argparse import ArgumentParser, Namespace

from ..contract.schema import contract_schema
from ..output.layout import Layout
from .command import CLEAN, Command


def add_options(parser: ArgumentParser) -> None:
    """Do nothing: this command has no options of its own."""


def run(options: Namespace, layout: Layout) -> int:
    """Print the schema."""
    return print_schema(options)


def print_schema(options: Namespace) -> int:
    """Print the schema, which is the same for every contract."""
    print(json.dumps(contract_schema(), indent=2))
    return CLEAN


COMMAND = Command(
    "schema", "print the JSON Schema of contracts", run, add_options, run_alone=print_schema
)
