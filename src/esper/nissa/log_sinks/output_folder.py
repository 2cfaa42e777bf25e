"""A folder of files that a sink of the kind OFFSETS writes: cuts the files back to the sizes of the last commit."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import final

from esper.leyline.errors import LogError, UsageError
from esper.leyline.text import printable
from esper.nissa.shipping.log_sink import ShippedRun

_TEMPORARY = (errno.ENOSPC, errno.EDQUOT)
_MARKER = ".esper-run"
"""File that says which run the folder belongs to, so that no other files are removed."""


@final
class OutputFolder:
    """The files of one run that a sink appends to.

    Attributes:
        path: the folder: `name` in the run's folder, or the run's id in the folder that the sink's argument names.
    """

    def __init__(self, run: ShippedRun, name: str, *, pattern: str) -> None:
        """Use the files whose names match `pattern`, also in folders below."""
        self.path = Path(run.argument) / run.run_id if run.argument else run.folder / name
        self._run_id = run.run_id
        self._pattern = pattern
        self._committed: frozenset[str] = frozenset()
        self._marker: os.stat_result | None = None

    def begin(self, sizes: Mapping[str, int] | None) -> None:
        """Cut each file back to its size in `sizes`, which `commit` returned, and remove the others; None: all.

        Raises:
            UsageError: the folder holds such files of something else, or cannot be made.
            LogError: a file is missing or shorter than it was.
        """
        self._claim()
        known = dict(sizes or {})
        for path in self._files():
            size = known.pop(str(path.relative_to(self.path)), None)
            if size is None:
                path.unlink()
            elif path.stat().st_size < size:
                raise self._damaged(path)
            else:
                os.truncate(path, size)
        if known:
            raise self._damaged(self.path / next(iter(known)))
        self._committed = frozenset(sizes or ())
        self._marker = os.stat(self.path / _MARKER)

    def commit(self) -> dict[str, int]:
        """Flush all files to the disk and return their sizes; their writers must have passed on everything before.

        Raises:
            FileNotFoundError: files of the last commit, or the folder, were removed since; what is written is lost with them.
        """
        self._check_complete()
        sizes = {}
        for path in self._files():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                sizes[str(path.relative_to(self.path))] = os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)
        self._check_complete()
        self._committed = frozenset(sizes)
        return sizes

    def clear(self) -> bool:
        """Remove all files, if they are of this run; return whether none are left."""
        if self._owner() == self._run_id:
            for path in self._files():
                path.unlink()
        return not self._files()

    def _check_complete(self) -> None:
        marker = os.stat(self.path / _MARKER)
        if self._marker is None or not os.path.samestat(marker, self._marker):
            raise FileNotFoundError(f"{self.path} was removed, and made again, during shipping")
        for name in self._committed:
            os.stat(self.path / name)

    def _claim(self) -> None:
        """Make the folder and the file that says whose it is."""
        owner = self._owner()
        if owner is None and self._files():
            raise UsageError(
                f"{printable(str(self.path))} must be empty, or a folder that Esper made, but it holds"
                f" {self._files()[0].name}; name another, or move the files elsewhere"
            )
        if owner not in (None, self._run_id):
            raise UsageError(
                f"{printable(str(self.path))} belongs to the run {printable(str(owner))}; name another folder"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if owner is None:
                (self.path / _MARKER).write_text(f"{self._run_id}\n", encoding="utf-8")
        except OSError as error:
            if error.errno in _TEMPORARY:
                raise
            raise UsageError(
                f"the folder must be writable, got {printable(str(self.path))} ({error.strerror}); name another"
            ) from error

    def _owner(self) -> str | None:
        with suppress(OSError):
            return (self.path / _MARKER).read_text(
                encoding="utf-8", errors="replace"
            ).strip() or None
        return None

    def _files(self) -> list[Path]:
        return sorted(path for path in self.path.rglob(self._pattern) if path.is_file())

    def _damaged(self, path: Path) -> LogError:
        return LogError(
            f"{path} must be as it was at the last commit, but it is gone or shorter; remove {self.path} and the sink's"
            " folder in ship/ of the run to write everything again"
        )
