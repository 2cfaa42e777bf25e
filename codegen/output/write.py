"""Writes generated files: atomically, only those that changed, and never over a file that codegen did not write."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..atomic import write_atomically
from ..diagnostics.errors import PathError
from .header import MARK
from .layout import Layout, Settings
from .render import Rendered


def write_all(files: Iterable[Rendered]) -> Iterator[Path]:
    """Write the files that differ on disk; yield the path of each one that was written.

    Raises:
        PathError: a file that codegen did not write has the same path; nothing has been written.
    """
    files = list(files)
    for file in files:
        if file.path.exists() and not has_header(file.path):
            raise PathError(
                f"{file.path} is in the way, and was not written by codegen; move or remove it"
            )
    for file in files:
        if _write(file.path, file.text):
            yield file.path


def find_extras(files: Iterable[Rendered], layout: Layout, settings: Settings) -> list[Path]:
    """Return the files below the roots that have a header of codegen and are not rendered any more."""
    if settings.targets:
        # The files of the other targets are not rendered, so it is not known which of them are extra.
        return []
    expected = {file.path for file in files}
    found = [path for root in layout.roots.values() for path in _list(root, "*")]
    return [path for path in found if path not in expected and _is_of(path, layout)]


def find_foreign_modules(files: Iterable[Rendered], layout: Layout) -> list[Path]:
    """Return the modules in folders of generated code that codegen did not write; it never removes them."""
    expected = {file.path for file in files}
    roots = [root for name, root in layout.roots.items() if name in ("package", "tests")]
    found = [path for root in roots for path in _list(root, "*.py")]
    return [path for path in found if path not in expected and not has_header(path)]


def _list(root: Path, pattern: str) -> list[Path]:
    """Return the files below a root, except temporary ones that another process is writing."""
    found = sorted(root.rglob(pattern))
    return [
        path for path in found if path.is_file() and path.name[0] != "." and not path.is_symlink()
    ]


def has_header(path: Path) -> bool:
    """Return whether a file has a header of codegen."""
    with path.open("rb") as file:
        return MARK.encode() in file.read(200)


def _is_of(path: Path, layout: Layout) -> bool:
    """Return whether a file was generated from the contract of this layout, since several may share a folder."""
    with path.open("rb") as file:
        return f"{MARK}{layout.spec_name};".encode() in file.read(400)


def _write(path: Path, text: str) -> bool:
    data = text.encode()
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    return True
