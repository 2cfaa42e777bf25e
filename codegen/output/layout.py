"""The files that a run reads and writes: the contract, the folders of generated files, and the options that apply."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from ..diagnostics.errors import PathError
from ..reading import read_bounded
from ..targets.target import Target
from .cache import Cache
from .header import name_origin

PROJECT = Path(__file__).resolve().parents[2]
MAX_BYTES = 2**28
"""The size of a file that is taken for a generated one."""
_QUOTES = frozenset("\"'`\\<>*|?")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A contract and the folders in which its generated files are.

    `spec_name` is the path of the contract as headers and findings print it, `package` the dotted name by which the
    generated package is imported, and `command` the command that generates everything again. `roots` holds the folders
    of files, by the kind of target or by the name of one target. `history` is the archive of releases; if it is None,
    the archive is next to the contract. `left_out` names the targets whose files this layout does not have, and
    `file_names` the files that are called otherwise than their target calls them. `is_formatted` is whether Python is
    formatted unless an option says otherwise. `origin` is what headers say about contract and
    command; if it is empty, they say the same as findings do.
    """

    spec: Path
    spec_name: str
    package: str
    roots: dict[str, Path]
    command: str
    origin: str = ""
    history: Path | None = None
    left_out: frozenset[str] = frozenset()
    file_names: Mapping[str, str] = field(default_factory=dict)
    is_formatted: bool = True

    def root_of(self, target: Target) -> Path | None:
        """Return the folder of a target's files; None if this layout does not have them."""
        if target.name in self.left_out:
            return None
        return self.roots.get(target.name, self.roots.get(target.root))

    @property
    def header_origin(self) -> str:
        """What headers say about the contract and the command."""
        return self.origin or name_origin(self.spec_name, self.command)

    @property
    def folder(self) -> Path:
        """The folder of the project, to which `spec_name` is relative."""
        path, name = self.spec.absolute(), Path(self.spec_name)
        return path.parent if name.is_absolute() else path.parents[len(name.parts) - 1]

    @property
    def package_root(self) -> Path:
        """The folder of the package, which belongs to codegen and holds the list of generated files."""
        return self.roots["package"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The choices of one run.

    `targets` are the targets to render; if it is empty, all are. `is_formatted` is whether black formats Python.
    `cache` holds the texts of earlier runs; without it, everything is rendered and formatted.
    """

    targets: frozenset[str] = frozenset()
    is_formatted: bool = True
    cache: Cache | None = None


def our_layout() -> Layout:
    """Return the layout of this project."""
    return Layout(
        spec=PROJECT / "specs" / "telemetry.yaml",
        spec_name="specs/telemetry.yaml",
        package="esper._generated",
        roots={
            "package": PROJECT / "src" / "esper" / "_generated",
            "docs": PROJECT / "docs",
            "tests": PROJECT / "tests" / "_generated",
            "specs": PROJECT / "specs",
            # Exports and data frames of runs have the contract's schemas.
            "arrow": PROJECT / "src" / "esper" / "_generated",
        },
        command="make codegen",
        history=PROJECT / "specs" / "history",
        # Esper has a channel of its own, which sends events to its hub.
        left_out=frozenset(["channel"]),
    )


def foreign_layout(spec: Path, out: Path, package: str, *, program: str) -> Layout:
    """Return the layout of another project's contract: a package, and no files outside it.

    However the paths are given, headers name them relative to the folder of the contract. `program` is the command that
    people type.

    Raises:
        PathError: the folder is behind a symbolic link, its path does not end like the name of the package, or headers
            cannot name it.
    """
    home = spec.parent.resolve()
    folder = find_folder(out, home)
    check_folder_of(folder, package, given=f"--out {out}")
    names = (spec.name, relative_name(folder, home))
    for name in names:
        if not is_plain(name):
            raise PathError(f"the path {name!r}, which headers name, must be of plain characters")
    options = ["--spec", names[0], "--out", names[1], "--package", package]
    command = program.split()
    given = ["--spec", spec.as_posix(), "--out", out.as_posix(), "--package", package]
    return Layout(
        spec=spec,
        spec_name=spec.as_posix(),
        package=package,
        roots={"package": folder},
        command=shlex.join([*command, *given]),
        origin=name_origin(spec.name, shlex.join([*command, *options])),
    )


def is_plain(path: str) -> bool:
    """Return whether headers, in comments and texts of several languages, can name a path."""
    return path != "" and path.isprintable() and not _QUOTES.intersection(path)


def is_folder_of(folder: PurePath, package: str) -> bool:
    """Return whether the path of a folder ends like the dotted name of a package."""
    parts = tuple(package.split("."))
    return folder.parts[-len(parts) :] == parts


def check_folder_of(folder: PurePath, package: str, *, given: str) -> None:
    """Check that a folder is called like its package; `given` says what names the folder.

    Raises:
        PathError: it is called otherwise.
    """
    if not is_folder_of(folder, package):
        raise PathError(
            f"the folder of package {package} must be called {package.replace('.', '/')}, got {given};"
            " change --package or --out"
        )


def relative_name(path: Path, folder: Path) -> str:
    """Return a path relative to a folder, with slashes on every system."""
    return Path(os.path.relpath(path, folder)).as_posix()


def find_folder(out: Path, home: Path) -> Path:
    """Return the real path of a folder of generated files; `home` is the real folder of the contract.

    A symbolic link on the way is followed only if it leads to a folder around the contract, so that it is merely
    another spelling of the project's path. Any other link could lead to files that are not the project's.

    Raises:
        PathError: another symbolic link is on the way.
    """
    place = Path(out.anchor) if out.is_absolute() else Path.cwd()
    for part in out.parts[len(Path(out.anchor).parts) :]:
        place = place.parent if part == ".." else place / part
        if place.is_symlink():
            target = place.resolve()
            if not home.is_relative_to(target):
                raise PathError(
                    f"{place} is a symbolic link, which generated files do not follow;"
                    f" remove it, or give the path that it leads to: {target}"
                )
            place = target
    return place


def resolve_below(root: Path, path: str) -> Path:
    """Return the path of a generated file below `root`.

    Raises:
        PathError: the path leads out of the root, or a symbolic link is on it.
    """
    place = root / path
    if ".." in Path(path).parts or Path(path).is_absolute():
        raise PathError(f"a generated file stays below {root}, got {path}")
    for part in (place, *place.parents):
        if part == root.parent:
            break
        if part.is_symlink():
            raise PathError(
                f"{part} is a symbolic link, which generated files do not follow; remove it"
            )
    return place


def read_exactly(path: Path) -> str:
    """Return the text of a file with its line ends unchanged; bytes that are not UTF-8 become U+FFFD.

    Raises:
        OSError: the file is too large for a generated one, or cannot be read.
    """
    return read_bounded(path, MAX_BYTES).decode(encoding="utf-8", errors="replace")


def display_path(path: Path) -> Path:
    """Return a path relative to the current folder if it is inside it, and unchanged otherwise."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
