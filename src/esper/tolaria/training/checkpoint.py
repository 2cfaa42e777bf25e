"""Checkpoints on disk, from which a run is resumed in a new process.

A checkpoint is one file, `checkpoints/epoch-000012.pt`: a line with a checksum, followed by the bytes that `torch.save`
wrote. It is written under another name and then renamed, so that a process that dies at any moment leaves the older
checkpoints whole.
"""

import hashlib
import io
import re
from pathlib import Path
from typing import Any, BinaryIO

import torch

from esper.leyline.atomic import write_atomically
from esper.leyline.errors import CheckpointError
from esper.tolaria.training.weights_only import check_format, check_plain, load_weights_only

FORMAT = 2
FOLDER = "checkpoints"

_MAGIC = b"ESPER-CHECKPOINT sha256 "
_DIGEST_LENGTH = 64
_HEADER_LENGTH = len(_MAGIC) + _DIGEST_LENGTH + 1
_NAME = re.compile(r"epoch-(\d{6,})\.pt")


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

        Raises:
            CheckpointError: `content` holds anything else; older checkpoints are unchanged.
            OSError: the file cannot be written; older checkpoints are unchanged.
        """
        path = self._folder / f"epoch-{epoch:06}.pt"
        check_plain(content, name=path.name)
        self._folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, **content}, buffer)
        write_atomically(path, lambda file: _write(file, buffer.getbuffer()))
        for old in self.paths()[self._keep :]:
            old.unlink(missing_ok=True)
        return path

    def paths(self) -> list[Path]:
        """Return the checkpoints, newest first."""
        found = [path for path in self._folder.glob("epoch-*.pt") if _NAME.fullmatch(path.name)]
        return sorted(found, key=_epoch, reverse=True)

    def load_newest(self, *, device: str) -> tuple[dict[str, Any] | None, list[CheckpointError]]:
        """Return the newest undamaged checkpoint, tensors on `device`, and an error for each newer one.

        The checkpoint is None when there is no undamaged one.
        """
        damaged: list[CheckpointError] = []
        for path in self.paths():
            try:
                return _read(path, device), damaged
            except CheckpointError as error:
                damaged.append(error)
        return None, damaged


def _epoch(path: Path) -> int:
    matched = _NAME.fullmatch(path.name)
    assert matched is not None
    return int(matched[1])


def _write(file: BinaryIO, content: memoryview) -> None:
    file.write(_MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n")
    file.write(content)


def _read(path: Path, device: str) -> dict[str, Any]:
    data = path.read_bytes()
    header, content = data[:_HEADER_LENGTH], data[_HEADER_LENGTH:]
    expected = _MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n"
    if header != expected:
        raise CheckpointError(
            f"{path} must match its checksum, got a damaged file; an older checkpoint may be whole"
        )
    state = load_weights_only(io.BytesIO(content), name=path, device=device)
    check_format(state, FORMAT, name=path)
    return state
