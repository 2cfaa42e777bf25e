"""Short hashes: of texts, and of what parts of a contract mean."""

import hashlib
from collections.abc import Iterable

from ..contract.model import Contract

LENGTH = 12


def hash_text(text: str) -> str:
    """Hash a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


class Meanings:
    """Hashes of what the parts of a contract mean, which is what they show of themselves."""

    def __init__(self, contract: Contract) -> None:
        nodes = (*contract.enums, *contract.owners, *contract.families)
        named: dict[str, object] = {one.name: one for one in nodes}
        named |= {"Context": contract.context, "Envelope": contract.envelope}
        self._hashes = {name: hash_text(repr(node)) for name, node in named.items()}

    def hash_of(self, names: Iterable[str]) -> str:
        """Hash what those parts mean that are called so; "none" when there is none."""
        hashes = [self._hashes[name] for name in names if name in self._hashes]
        return hash_text("".join(hashes)) if hashes else "none"
