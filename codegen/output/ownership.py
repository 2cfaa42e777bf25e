"""Decides what codegen may touch: the files that its list names, in a folder that is nobody else's."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..atomic import find_left_over
from ..contract.model import Contract
from ..diagnostics.errors import ManifestError, PathError
from ..reading import has_bytes, read_bounded
from .finish import Rendered
from .header import MARK, hash_text, split_file
from .layout import (
    MAX_BYTES,
    Layout,
    Settings,
    display_path,
    find_folder,
    read_exactly,
    resolve_below,
)
from .manifest import (
    COMMENT,
    NAME,
    Entry,
    Manifest,
    entry_of,
    hash_bytes,
    is_manifest_of,
    manifest_of,
    manifest_path,
    read_manifest,
)

_IMPORTED = (".py", ".pyi", ".pyc", ".so", ".pyd")
"""The suffixes of files that Python or a type checker may load from a package instead of a generated module."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A listed file that is not rendered any more, and why it may not be removed; the reason is empty if it may."""

    path: Path
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class Owned:
    """The files of a layout: those listed so far, the list as it must be, and everything that must not be there."""

    before: Manifest | None
    after: Manifest
    stale: tuple[Stale, ...]
    left_over: tuple[Path, ...]
    strangers: tuple[Path, ...]


def find_owned(
    files: list[Rendered],
    contract: Contract,
    layout: Layout,
    settings: Settings,
    *,
    adopts: bool = False,
) -> Owned:
    """Compare the rendered files with the list on disk.

    A list that is damaged counts as missing; so does that of another contract or package, unless it is adopted.
    """
    try:
        before = read_manifest(manifest_path(layout))
    except ManifestError:
        before = None
    if before is not None and not adopts and not is_manifest_of(before, layout):
        before = None
    listed = before.entries if before is not None else {}
    rendered = {file.path: entry_of(file) for file in files}
    others = [one for path, one in listed.items() if path not in rendered]
    # The files of targets that are not selected were not rendered, so they stay as they are listed.
    gone = [one for one in others if not settings.targets or one.target in settings.targets]
    stale = tuple(_find_stale(gone, layout))
    changed = {one.path for one in stale if one.obstacle}
    kept = [one for one in others if one not in gone or one.path in changed]
    return Owned(
        before,
        manifest_of(layout, contract.version, (*rendered.values(), *kept)),
        stale,
        tuple(_find_left_over([*rendered, *listed], layout)),
        () if settings.targets else tuple(_find_strangers({*rendered, *listed}, layout)),
    )


def check_folders(layout: Layout) -> None:
    """Check that no folder of a layout is inside that of another package, or behind a symbolic link.

    Raises:
        PathError: a folder is.
    """
    for folder in dict.fromkeys(layout.roots.values()):
        find_folder(folder, layout.spec.parent.resolve())
        _check_surroundings(folder, layout.package_root)


def check_ownership(
    files: Iterable[Rendered], before: Manifest | None, layout: Layout, *, adopts: bool
) -> None:
    """Check that writing these files replaces nothing that is not listed, and that the package's folder is no other's.

    With `adopts`, files that are not listed may be replaced if they have a header of this contract.

    Raises:
        PathError: something belongs to somebody else, or nobody knows to whom.
    """
    root = layout.package_root
    if before is None:
        _check_list(root / NAME)
    if before is None and not adopts:
        _check_empty(root, layout)
    if before is None and adopts and not any(_has_header_of(file.path, layout) for file in files):
        raise PathError(
            f"--adopt takes over files that codegen made from {layout.spec.name}, and {display_path(root)} has no such files;"
            " run without --adopt"
        )
    listed = before.entries if before is not None else {}
    for file in files:
        if not file.path.exists() or _is_current(file):
            continue
        may_replace = file.path in listed and _may_replace(listed[file.path])
        if not may_replace and not (adopts and _has_header_of(file.path, layout)):
            raise PathError(
                f"{display_path(file.path)} is in the way: codegen did not write it for {layout.spec.name}; move or remove it"
            )


def _check_surroundings(folder: Path, root: Path) -> None:
    """Check that a folder is not inside that of another package."""
    for place in folder.parents if folder == root else (folder, *folder.parents):
        if place == root:
            return
        if (place / NAME).is_file():
            try:
                other = read_manifest(place / NAME)
            except ManifestError:
                # It is not a list of codegen, and no folder is generated because it holds some file of that name.
                continue
            if other is not None:
                raise PathError(
                    f"{display_path(folder)} is inside {display_path(place)}, which belongs to the package"
                    f" {other.package} of {other.contract}; choose a folder outside it"
                )


def _check_list(path: Path) -> None:
    """Check that a file which is no usable list of generated files was one, before something damaged it."""
    if path.exists() and not (path.is_file() and COMMENT in read_exactly(path)):
        raise PathError(
            f"{display_path(path)} is in the way: it is not a list of generated files; move or remove it"
        )


def _check_empty(root: Path, layout: Layout) -> None:
    path = root / NAME
    other = read_manifest(path)
    if other is not None:
        raise PathError(
            f"{display_path(root)} belongs to the package {other.package} of {other.contract}, by its {NAME};"
            " choose another folder, or take it over with --adopt if the contract or the package was renamed"
        )
    if not root.is_dir():
        return
    found = [one.name for one in sorted(root.iterdir()) if not _is_invisible(one)]
    if found:
        names = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise PathError(
            f"{display_path(root)} is not empty and has no {NAME} of {layout.spec.name}; it holds {names};"
            " choose another folder, or take over files that codegen made before with --adopt"
        )


def _is_invisible(path: Path) -> bool:
    return path.name.startswith(".") or path.name == "__pycache__"


def _find_stale(entries: Iterable[Entry], layout: Layout) -> Iterator[Stale]:
    """Yield the files that are still there."""
    for entry in entries:
        if entry.path.is_file():
            yield Stale(entry.path, _find_obstacle(entry, layout))


def _find_obstacle(entry: Entry, layout: Layout) -> str:
    """Return why a listed file may not be removed, as the end of a sentence; empty if it may.

    The folder of a target that was moved or switched off is no folder of the layout any more. A file there is removed
    only if its header is complete and names this contract, since a list alone could name any file of the project.
    """
    data = read_bounded(entry.path, MAX_BYTES)
    found = split_file(entry.path, data.decode(errors="replace"))
    if hash_bytes(data) not in entry.hashes or found is None:
        return "was changed after codegen wrote it"
    header, body = found
    is_ours = header.contract == layout.spec.name and header.text == hash_text(body)
    root = next((one for one in layout.roots.values() if entry.path.is_relative_to(one)), None)
    if root is None and not is_ours:
        return "has no header of this contract"
    try:
        folder = layout.folder if root is None else root
        resolve_below(folder, entry.path.relative_to(folder).as_posix())
    except ValueError:
        return f"is not in {display_path(layout.folder)}"
    except PathError:
        return "is behind a symbolic link"
    return ""


def _find_left_over(paths: Iterable[Path], layout: Layout) -> Iterator[Path]:
    """Yield the temporary files of a run that was killed."""
    root = layout.package_root
    yield from find_left_over(root)
    names: dict[Path, list[str]] = {}
    for path in paths:
        if path.parent != root and any(path.is_relative_to(one) for one in layout.roots.values()):
            names.setdefault(path.parent, []).append(path.name)
    for folder, wanted in names.items():
        yield from find_left_over(folder, wanted)


def _find_strangers(known: set[Path], layout: Layout) -> Iterator[Path]:
    """Yield the modules in the package's folder that are not generated; packages of other contracts are left alone."""
    for place, folders, names in os.walk(layout.package_root):
        folder = Path(place)
        folders[:] = [
            one
            for one in sorted(folders)
            if not _is_invisible(folder / one) and not (folder / one / NAME).is_file()
        ]
        for name in sorted(names):
            path = folder / name
            if name.endswith(_IMPORTED) and not _is_invisible(path) and path not in known:
                yield path


def _may_replace(entry: Entry) -> bool:
    """Return whether a listed file may be replaced: it is unchanged, or an edited file that still says who generated it."""
    if not entry.path.is_file():
        return False
    data = read_bounded(entry.path, MAX_BYTES)
    # The mark is near the start even if a merge has left its own lines around the header.
    return hash_bytes(data) in entry.hashes or MARK.encode() in data[:400]


def _is_current(file: Rendered) -> bool:
    return has_bytes(file.path, file.text.encode())


def _has_header_of(path: Path, layout: Layout) -> bool:
    """Return whether a file has a header of codegen that names this contract's file."""
    found = split_file(path, read_exactly(path)) if path.is_file() else None
    return found is not None and found[0].contract == layout.spec.name
