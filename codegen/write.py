"""Writes files: atomically, only those that changed, and removes only those that bear our header."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from codegen.errors import PathError
from codegen.layout import Layout
from codegen.provenance import MARK, split_file
from codegen.render import Rendered


def write_all(files: Iterable[Rendered], layout: Layout) -> Iterator[tuple[str, Path]]:
    """Bring the roots to what `files` say; go through what was done, as a verb and a path.

    Raises:
        PathError: a file of somebody else is in the way; nothing has been written.
    """
    files = list(files)
    for file in files:
        if (
            file.path.exists()
            and split_file(file.path, file.path.read_text(encoding="utf-8")) is None
        ):
            raise PathError(
                f"{file.path} is in the way, and was not written by codegen; move or remove it"
            )
    for file in files:
        if _write(file.path, file.text):
            yield "wrote", file.path
    expected = {file.path for file in files}
    for path in find_generated(layout):
        if path not in expected:
            path.unlink()
            yield "removed", path


def find_generated(layout: Layout) -> Iterator[Path]:
    """List the files below the roots that bear our header."""
    for root in layout.roots.values():
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink() and _bears_mark(path):
                yield path


def _bears_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(200)


def _write(path: Path, text: str) -> bool:
    data = text.encode()
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    return True
