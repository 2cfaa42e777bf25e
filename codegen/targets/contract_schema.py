"""Target contract schema: the JSON Schema by which editors complete and check contracts."""

import json
from collections.abc import Iterator

from ..contract.model import Contract
from ..contract.schema import contract_schema
from .target import Chunk, Output, Target

_FILE = "contract.schema.json"


def outputs(contract: Contract) -> Iterator[str]:
    """List the one file."""
    yield _FILE


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the schema, which is that of every contract."""
    text = json.dumps(contract_schema(), indent=2) + "\n"
    yield Output(_FILE, (Chunk("", text),))


TARGET = Target(
    name="contract_schema",
    root="specs",
    outputs=outputs,
    render=render,
)
