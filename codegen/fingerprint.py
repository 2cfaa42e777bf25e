"""Short hashes: of texts, of files, and of what parts of a contract mean."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from codegen.model import Contract

LENGTH = 12


def hash_text(text: str) -> str:
    """Hash a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def hash_files(paths: Iterable[Path]) -> str:
    """Hash the contents of files, whatever the order in which they are given."""
    return hash_text("".join(hash_text(path.read_text(encoding="utf-8")) for path in sorted(paths)))


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
