"""Where generated files are: below their roots, and as they are on disk."""

from pathlib import Path

from ..diagnostics.errors import PathError


def resolve_below(root: Path, path: str) -> Path:
    """Return the place of a file below a root; refuse whatever leads out of it, symbolic links included."""
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


def read_found(path: Path) -> str:
    """Read a file as it is, line ends and all; bytes that are no text are shown in their place."""
    return path.read_bytes().decode(encoding="utf-8", errors="replace")


def near(path: Path) -> Path:
    """Return a path as people are shown it: from the folder we are in, if it is below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
