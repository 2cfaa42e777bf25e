"""What targets make of a contract, in short: a hash for each event, record and enum."""

from ..contract.model import Contract
from ..output.header import hash_text
from ..targets import arrow, sql, typescript
from .baseline import Shapes

# Those whose readers know columns and types by what was rendered, not by the contract.
_TARGETS = (sql.TARGET, arrow.TARGET, typescript.TARGET)


def find_shapes(contract: Contract) -> Shapes:
    """Render a contract for targets with types of their own, and hash each part."""
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
