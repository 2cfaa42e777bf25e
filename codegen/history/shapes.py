"""Shapes: hashes of the output that targets render for each event, record and enum of a contract."""

from ..contract.model import Contract
from ..output.header import hash_text
from ..targets import arrow, sql, typescript
from .baseline import Shapes

# The readers of these targets see the rendered columns and types, and not the contract.
_TARGETS = (sql.TARGET, arrow.TARGET, typescript.TARGET)


def find_shapes(contract: Contract) -> Shapes:
    """Return the shapes of a contract for all targets that have types of their own."""
    names = {one.name for one in (*contract.enums, *contract.owners)}
    return {
        target.name: {
            chunk.key: hash_text(chunk.text)
            for file in target.render(contract, "package")
            for chunk in file.chunks
            if chunk.key in names
        }
        for target in _TARGETS
    }
