"""Writes files: atomically, only those that changed, and removes only those that bear our header."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..atomic import write_atomically
from ..diagnostics.errors import PathError
from .layout import Layout
from .provenance import MARK
from .render import Rendered
from .settings import Settings


def write_all(files: Iterable[Rendered]) -> Iterator[Path]:
    """Bring the files on disk to what they should be; go through those that were written.

    Raises:
        PathError: a file of somebody else is in the way; nothing has been written.
    """
    files = list(files)
    for file in files:
        if file.path.exists() and not bears_header(file.path):
            raise PathError(
                f"{file.path} is in the way, and was not written by codegen; move or remove it"
            )
    for file in files:
        if _write(file.path, file.text):
            yield file.path


def find_extras(files: Iterable[Rendered], layout: Layout, settings: Settings) -> list[Path]:
    """List the files below the roots that bear our header and that nothing asks for any more."""
    if settings.targets:
        # The other targets' files are not ours to judge.
        return []
    expected = {file.path for file in files}
    found = [path for root in layout.roots.values() for path in _list(root, "*")]
    return [path for path in found if path not in expected and bears_header(path)]


def find_strangers(files: Iterable[Rendered], layout: Layout) -> list[Path]:
    """List the modules in folders of generated code that codegen did not write; it leaves them alone."""
    expected = {file.path for file in files}
    roots = [root for name, root in layout.roots.items() if name in ("package", "tests")]
    found = [path for root in roots for path in _list(root, "*.py")]
    return [path for path in found if path not in expected and not bears_header(path)]


def _list(root: Path, pattern: str) -> list[Path]:
    """List the files below a root, but for those that another process is just writing."""
    found = sorted(root.rglob(pattern))
    return [
        path for path in found if path.is_file() and path.name[0] != "." and not path.is_symlink()
    ]


def bears_header(path: Path) -> bool:
    """Tell whether codegen wrote a file."""
    with path.open("rb") as file:
        return MARK.encode() in file.read(200)


def _write(path: Path, text: str) -> bool:
    data = text.encode()
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    return True
