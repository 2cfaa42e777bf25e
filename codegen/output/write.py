"""Writes generated files: only those that changed, all or none of them, and nothing that is somebody else's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..atomic import locked, staged
from ..contract.model import Contract
from ..reading import has_bytes
from .finish import Rendered
from .layout import Layout, Settings
from .manifest import Entry, Manifest, format_manifest, manifest_path
from .ownership import Owned, check_folders, check_ownership, find_owned


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a file on disk; a file that is kept should be removed, but may not be, for the reason `obstacle`."""

    verb: Literal["wrote", "removed", "kept"]
    path: Path
    obstacle: str = ""


def write_all(
    files: list[Rendered],
    contract: Contract,
    layout: Layout,
    settings: Settings,
    *,
    adopts: bool = False,
) -> list[Change]:
    """Write the files that differ on disk and their list, and remove those that no longer belong to the contract.

    The list is written twice: before the first file is replaced it gets every path of both sides, so a run that is
    killed leaves nothing that the next run does not know. Other processes wait meanwhile.

    Raises:
        PathError: something in the folders belongs to somebody else; nothing has been written.
        OSError: the disk is full, or a folder cannot be written.
    """
    check_folders(layout)
    with _held(layout.package_root):
        # Only now is it certain that no other process changes the files and their list.
        owned = find_owned(files, contract, layout, settings, adopts=adopts)
        check_ownership(files, owned.before, layout, adopts=adopts)
        return list(_write(files, owned, layout))


@contextmanager
def _held(root: Path) -> Iterator[None]:
    """Hold the lock of the package's folder; if it was created for that and nothing was written, it is removed."""
    created = [one for one in (root, *root.parents) if not one.exists()]
    root.mkdir(parents=True, exist_ok=True)
    try:
        with locked(root):
            yield
    except BaseException:
        for folder in created:
            with suppress(OSError):
                folder.rmdir()
        raise


def _write(files: list[Rendered], owned: Owned, layout: Layout) -> Iterator[Change]:
    for path in owned.left_over:
        path.unlink(missing_ok=True)
    removed = [one.path for one in owned.stale if not one.obstacle]
    texts = [item for item in _texts(files, owned, layout) if _differs(*item)]
    for path, _ in texts:
        path.parent.mkdir(parents=True, exist_ok=True)
    announced = format_manifest(_announce(owned), layout.package_root).encode()
    if not texts and not removed:
        yield from _keep(owned)
        return
    with staged([*texts, (manifest_path(layout), announced)]) as temporary:
        if _differs(manifest_path(layout), announced):
            os.replace(temporary[-1], manifest_path(layout))
        for path in removed:
            path.unlink(missing_ok=True)
            yield Change("removed", path)
        for one, (path, _) in zip(temporary[:-1], texts, strict=True):
            os.replace(one, path)
            yield Change("wrote", path)
    yield from _keep(owned)


def _keep(owned: Owned) -> Iterator[Change]:
    return (Change("kept", one.path, one.obstacle) for one in owned.stale if one.obstacle)


def _texts(files: list[Rendered], owned: Owned, layout: Layout) -> list[tuple[Path, bytes]]:
    """Return all files with their bytes; their list is the last one, because it vouches for the others."""
    listing = format_manifest(owned.after, layout.package_root)
    return [
        *((file.path, file.text.encode()) for file in files),
        (manifest_path(layout), listing.encode()),
    ]


def _announce(owned: Owned) -> Manifest:
    """Return the list that is true at every moment of the run: both sides' files, and the hashes of both."""
    before = owned.before.entries if owned.before is not None else {}
    entries = dict(before)
    for path, entry in owned.after.entries.items():
        known = before[path].hashes if path in before else ()
        entries[path] = Entry(entry.target, path, tuple(dict.fromkeys((*known, *entry.hashes))))
    return replace(owned.after, entries=entries)


def _differs(path: Path, data: bytes) -> bool:
    return not has_bytes(path, data)
