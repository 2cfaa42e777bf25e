"""The command schema: prints the JSON Schema of contracts, for editors."""

import json
from argparse import ArgumentParser, Namespace

from ..contract.language import describe_language
from ..contract.schema import contract_schema
from ..output.layout import Layout
from .command import CLEAN, Command


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--markdown", action="store_true", help="print tables of all keys for people instead"
    )


def run(options: Namespace, layout: Layout) -> int:
    """Print the schema."""
    return print_schema(options)


def print_schema(options: Namespace) -> int:
    """Print the schema, or the tables of its keys, which are the same for every contract."""
    if options.markdown:
        print(describe_language(), end="")
        return CLEAN
    print(json.dumps(contract_schema(), indent=2))
    return CLEAN


COMMAND = Command(
    "schema", "print the JSON Schema of contracts", run, add_options, run_alone=print_schema
)
