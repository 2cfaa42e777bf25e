"""The list of generated files, which says what belongs to codegen: a file in the folder of the package.

It names the contract, its version and the package, and for each target the folder and the files, with their hashes.
Paths are relative to the list itself, so the same contract gives the same bytes everywhere. Whatever is not listed is
somebody else's, and codegen neither replaces nor removes it.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..diagnostics.errors import ManifestError
from ..reading import read_bounded
from .finish import Rendered
from .layout import MAX_BYTES, Layout, relative_name, resolve_below

NAME = "generated.json"

COMMENT = "The files that codegen made from the contract, with their SHA-256. Do not edit."
_KEYS = ["$comment", "contract", "package", "targets", "version"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A listed file: its target, its path, and its hash; while a run writes it, also the hash that it had before."""

    target: str
    path: Path
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A list of generated files. `contract` is the path of the contract relative to the list."""

    contract: str
    package: str
    version: str
    entries: Mapping[Path, Entry] = field(default_factory=dict)


def manifest_of(layout: Layout, version: str, entries: Iterable[Entry] = ()) -> Manifest:
    """Return the list of these files of a layout's contract."""
    listed = {one.path: one for one in entries}
    return Manifest(_contract_of(layout), layout.package, version, listed)


def entry_of(file: Rendered) -> Entry:
    """Return the entry of a file as it is rendered now."""
    return Entry(file.target, file.path, (hash_bytes(file.text.encode()),))


def manifest_path(layout: Layout) -> Path:
    """Return the path of the list of a layout's files.

    Raises:
        PathError: a symbolic link is on the way.
    """
    return resolve_below(layout.package_root, NAME)


def is_manifest_of(manifest: Manifest, layout: Layout) -> bool:
    """Return whether a list is that of a layout's contract and package."""
    return (manifest.contract, manifest.package) == (_contract_of(layout), layout.package)


def read_manifest(path: Path) -> Manifest | None:
    """Read a list of generated files; None if there is none at `path`.

    Raises:
        ManifestError: the file is not such a list.
    """
    if not path.is_file():
        return None
    try:
        plain = json.loads(read_bounded(path, MAX_BYTES))
        if not isinstance(plain, dict) or sorted(plain) != _KEYS or plain["$comment"] != COMMENT:
            raise ManifestError(f"{path} is not a list of generated files")
        entries = [one for item in plain["targets"].items() for one in _read_target(path, *item)]
        contract, package, version = (plain[key] for key in ("contract", "package", "version"))
        if not all(isinstance(one, str) for one in (contract, package, version)):
            raise TypeError("contract, package and version must be texts")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ManifestError(
            f"{path} is damaged: {error}; restore it from version control, or run generate with --adopt"
        ) from None
    return Manifest(contract, package, version, {one.path: one for one in entries})


def format_manifest(manifest: Manifest, root: Path) -> str:
    """Return the text of a list in the folder `root`."""
    targets: dict[str, dict[str, Any]] = {}
    # A target has one folder; its files may be in folders below it.
    for entry in sorted(manifest.entries.values(), key=lambda one: (one.target, one.path)):
        listed = targets.setdefault(entry.target, {})
        listed[relative_name(entry.path, root)] = (
            entry.hashes[0] if len(entry.hashes) == 1 else list(entry.hashes)
        )
    plain = {
        "$comment": COMMENT,
        "contract": manifest.contract,
        "version": manifest.version,
        "package": manifest.package,
        "targets": targets,
    }
    return json.dumps(plain, indent=2) + "\n"


def hash_bytes(data: bytes) -> str:
    """Return the hash of a file in a list; it does not depend on the line ends of the checkout."""
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def _contract_of(layout: Layout) -> str:
    home = layout.spec.parent.resolve()
    return relative_name(home / layout.spec.name, layout.package_root.resolve())


def _read_target(path: Path, target: str, listed: Any) -> Iterable[Entry]:
    for name, found in listed.items():
        hashes = (found,) if isinstance(found, str) else tuple(found)
        if not hashes or not all(isinstance(one, str) for one in hashes):
            raise TypeError(f"the hash of {name} must be a text")
        if PurePosixPath(name).is_absolute() or "\0" in name:
            raise ValueError(f"the path of {name!r} must be relative")
        yield Entry(target, Path(os.path.normpath(path.parent / name)), hashes)
