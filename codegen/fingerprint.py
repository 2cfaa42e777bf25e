"""Short hashes: of texts, of files, and of what parts of a contract mean."""

import hashlib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path

from codegen.model import Contract, EnumType, RecordType

LENGTH = 12


def hash_text(text: str) -> str:
    """Hash a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def hash_files(paths: Iterable[Path]) -> str:
    """Hash the contents of files, whatever the order in which they are given."""
    return hash_text("".join(hash_text(path.read_text(encoding="utf-8")) for path in sorted(paths)))


class Meanings:
    """Hashes of what the parts of a contract mean; where they stand in the file does not count."""

    def __init__(self, contract: Contract) -> None:
        nodes = (*contract.enums, *contract.owners, *contract.families)
        named: dict[str, object] = {one.name: one for one in nodes}
        named |= {"Context": contract.context, "Envelope": contract.envelope}
        self._hashes = {name: hash_text(_spell(node)) for name, node in named.items()}

    def hash_of(self, names: Iterable[str]) -> str:
        """Hash what those parts mean that are called so; "none" when there is none."""
        hashes = [self._hashes[name] for name in names if name in self._hashes]
        return hash_text("".join(hashes)) if hashes else "none"


def _spell(node: object) -> str:
    if isinstance(node, EnumType | RecordType):
        # By name: what the enum or record means is hashed where it is declared.
        return f"{type(node).__name__} {node}"
    if isinstance(node, tuple):
        return f"({','.join(_spell(item) for item in node)})"
    if is_dataclass(node):
        told = (field.name for field in fields(node) if field.compare)
        return f"{type(node).__name__}({','.join(_spell(getattr(node, name)) for name in told)})"
    return repr(node)
