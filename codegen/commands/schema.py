"""schema: write the JSON Schema of contracts, for editors."""

import json
from argparse import ArgumentParser, Namespace

from codegen.commands.command import CLEAN, Command
from codegen.layout import Layout
from codegen.schema import contract_schema


def add_options(parser: ArgumentParser) -> None:
    """This command has no options of its own."""


def run(options: Namespace, layout: Layout) -> int:
    """Print the schema."""
    print(json.dumps(contract_schema(), indent=2))
    return CLEAN


COMMAND = Command("schema", "print the JSON Schema of contracts", run, add_options)
