"""What targets make of a contract, in short: a hash for each event, record and enum."""

from codegen.fingerprint import hash_text
from codegen.history.baseline import Shapes
from codegen.model import Contract
from codegen.targets import arrow, sql, typescript

# Those whose readers know columns and types by what was rendered, not by the contract.
_TARGETS = (sql.TARGET, arrow.TARGET, typescript.TARGET)


def find_shapes(contract: Contract) -> Shapes:
    """Render a contract for targets with types of their own, and hash each part."""
    names = {one.name for one in (*contract.enums, *contract.owners)}
    return {
        target.name: {
            chunk.key: hash_text(chunk.text)
            for file in target.render(contract, "package")
            for chunk in file.render().chunks
            if chunk.key in names
        }
        for target in _TARGETS
    }
