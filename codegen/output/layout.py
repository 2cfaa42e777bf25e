"""The files that a run reads and writes: the contract, the folders of generated files, and the options that apply."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..diagnostics.errors import PathError
from ..targets.target import Target

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A contract and the folders in which its generated files are.

    `spec_name` is the path of the contract as headers and findings print it, `package` the dotted name by which the
    generated package is imported, and `command` the command that generates everything again. `roots` holds the folders
    of files, by the kind of target or by the name of one target. `history` is the archive of releases; if it is None,
    the archive is next to the contract. `left_out` names the targets whose files this layout does not have, and
    `file_names` the files that are called otherwise than their target calls them. `is_formatted` is whether Python is
    formatted unless an option says otherwise.
    """

    spec: Path
    spec_name: str
    package: str
    roots: dict[str, Path]
    command: str
    history: Path | None = None
    left_out: frozenset[str] = frozenset()
    file_names: Mapping[str, str] = field(default_factory=dict)
    is_formatted: bool = True

    def root_of(self, target: Target) -> Path | None:
        """Return the folder of a target's files; None if this layout does not have them."""
        if target.name in self.left_out:
            return None
        return self.roots.get(target.name, self.roots.get(target.root))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The choices of one run.

    `targets` are the targets to render; if it is empty, all are. `is_formatted` is whether black formats Python.
    `is_fresh` is whether black formats all of it, including the parts whose header on disk certifies them.
    """

    targets: frozenset[str] = frozenset()
    is_formatted: bool = True
    is_fresh: bool = False


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
        },
        command="make codegen",
        history=PROJECT / "specs" / "history",
        # Esper has a channel of its own, which sends events to its hub.
        left_out=frozenset(["channel"]),
    )


def foreign_layout(spec: Path, out: Path, package: str) -> Layout:
    """Return the layout of another project's contract: a package, and no files outside it."""
    options = ["--spec", spec.as_posix(), "--out", out.as_posix(), "--package", package]
    return Layout(
        spec=spec,
        spec_name=spec.as_posix(),
        package=package,
        roots={"package": out},
        command=shlex.join(["python", "-m", "codegen", *options]),
    )


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
    """Return the text of a file with its line ends unchanged; bytes that are not UTF-8 become U+FFFD."""
    return path.read_bytes().decode(encoding="utf-8", errors="replace")


def display_path(path: Path) -> Path:
    """Return a path relative to the current folder if it is inside it, and unchanged otherwise."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
