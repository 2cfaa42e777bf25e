"""Checkpoints on disk, from which a run is resumed in a new process.

A checkpoint is one file, `checkpoints/epoch-000012.pt`: a line with a checksum, followed by the bytes that `torch.save`
wrote. It is written under another name and then renamed, so that a process that dies at any moment leaves the older
checkpoints whole.
"""

import errno
import hashlib
import io
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch

from esper.leyline.atomic import write_atomically
from esper.leyline.errors import CheckpointError
from esper.leyline.regular_file import read_regular_file
from esper.tolaria.training.weights_only import check_format, check_plain, load_weights_only

FORMAT = 2
FOLDER = "checkpoints"

_MAGIC = b"ESPER-CHECKPOINT sha256 "
_DIGEST_LENGTH = 64
_HEADER_LENGTH = len(_MAGIC) + _DIGEST_LENGTH + 1
_NAME = re.compile(r"epoch-(\d{6,})\.pt")
_LEFT_BEHIND = re.compile(r"\.epoch-\d{6,}\.pt\.\d+\.tmp")
"""Name of a checkpoint that a process was writing when it was killed."""
NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of the errors of a full disk and of a used up quota."""


class Checkpoints:
    """The checkpoints of one run, of which the newest few are kept."""

    def __init__(self, run_folder: Path, *, keep: int = 2) -> None:
        """Manage the checkpoints in `run_folder`, keeping the newest `keep`; nothing is written yet.

        Raises:
            ValueError: `keep` is less than 1.
        """
        if keep < 1:
            raise ValueError(f"keep must be at least 1, got {keep}")
        self._folder = run_folder / FOLDER
        self._keep = keep

    def save(self, content: dict[str, Any], *, epoch: int) -> Path:
        """Write `content`, tensors and plain values, as the checkpoint of `epoch`, then remove the oldest ones.

        If the disk is full, all older checkpoints but the newest are removed first, and the file is written again.

        Raises:
            CheckpointError: `content` holds anything else; older checkpoints are unchanged.
            OSError: the file cannot be written; at least the newest of the older checkpoints is unchanged.
        """
        path = self._folder / f"epoch-{epoch:06}.pt"
        check_plain(content, name=path.name)
        self._folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, **content}, buffer)
        data = buffer.getbuffer()
        try:
            write_atomically(path, lambda file: _write(file, data))
        except OSError as error:
            if error.errno not in NO_SPACE or not self.free_space():
                raise
            write_atomically(path, lambda file: _write(file, data))
        # Files of later epochs, from before a rewind, are no newer states of this run.
        older = [one for one in self._files() if _epoch(one) < epoch]
        _remove(older[self._keep - 1 :])
        return path

    def free_space(self) -> bool:
        """Remove all checkpoints but the newest, and unfinished files of killed processes; return whether any was removed."""
        unfinished: list[Path] = []
        with suppress(OSError):
            unfinished = [one for one in self._folder.iterdir() if _LEFT_BEHIND.fullmatch(one.name)]
        return _remove([*unfinished, *self._files()[1:]])

    def paths(self) -> list[Path]:
        """Return everything that has the name of a checkpoint, newest first.

        Raises:
            CheckpointError: the folder of the checkpoints is there but cannot be listed.
        """
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError as error:
            if not self._folder.is_symlink():
                return []
            raise self._cannot_list(error) from error
        except OSError as error:
            raise self._cannot_list(error) from error
        found = [self._folder / name for name in names if _NAME.fullmatch(name)]
        return sorted(found, key=_epoch, reverse=True)

    def load_newest(
        self, *, device: str, check: Callable[[dict[str, Any], Path], None]
    ) -> tuple[dict[str, Any] | None, list[CheckpointError]]:
        """Return the newest undamaged checkpoint, tensors on `device`, and an error for each newer one.

        The checkpoint is None when there is no undamaged one. `check` is given the content of each file that is whole, and
        its path, and raises `CheckpointError` if it is not that of a checkpoint.

        Raises:
            CheckpointError: the folder of the checkpoints is there but cannot be listed.
        """
        damaged: list[CheckpointError] = []
        for path in self.paths():
            try:
                content = _read(path, device)
                check(content, path)
            except CheckpointError as error:
                damaged.append(error)
            else:
                return content, damaged
        return None, damaged

    def _files(self) -> list[Path]:
        """Return the checkpoints that are regular files, newest first; folders and pipes of the same name hold nothing."""
        with suppress(CheckpointError):
            return [path for path in self.paths() if path.is_file() or path.is_symlink()]
        return []

    def _cannot_list(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"{self._folder} must be a folder that can be read, got an error ({error.strerror});"
            " make it readable, or remove it to start over"
        )


def _remove(paths: list[Path]) -> bool:
    """Remove those of `paths` that can be removed; return whether any was."""
    is_any_removed = False
    for path in paths:
        with suppress(OSError):
            path.unlink()
            is_any_removed = True
    return is_any_removed


def _epoch(path: Path) -> int:
    matched = _NAME.fullmatch(path.name)
    assert matched is not None
    return int(matched[1])


def _write(file: BinaryIO, content: memoryview) -> None:
    file.write(_MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n")
    file.write(content)


def _read(path: Path, device: str) -> dict[str, Any]:
    try:
        data = read_regular_file(path)
    except OSError as error:
        raise CheckpointError(
            f"{path} must be a file that can be read, got an error ({error.strerror});"
            " an older checkpoint may be whole"
        ) from error
    header, content = data[:_HEADER_LENGTH], data[_HEADER_LENGTH:]
    expected = _MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n"
    if header != expected:
        raise CheckpointError(
            f"{path} must match its checksum, got a damaged file; an older checkpoint may be whole"
        )
    state = load_weights_only(io.BytesIO(content), name=path, device=device)
    check_format(state, FORMAT, name=path)
    return state
