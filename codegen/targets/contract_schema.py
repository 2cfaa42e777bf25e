"""Target contract schema: the JSON Schema with which editors complete and check contracts."""

import json
from collections.abc import Iterator

from ..contract.model import Contract
from ..contract.schema import contract_schema
from .target import Chunk, Output, Target

_FILE = "contract.schema.json"


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the schema, which is the same for every contract."""
    text = json.dumps(contract_schema(), indent=2) + "\n"
    yield Output(_FILE, (Chunk("", text),))


TARGET = Target(
    name="contract_schema",
    root="specs",
    outputs=lambda contract: [_FILE],
    render=render,
)
