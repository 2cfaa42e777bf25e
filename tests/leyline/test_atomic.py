"""A file is replaced as a whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from esper.leyline.atomic import write_atomically


def test_replaces_the_content(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"old")

    write_atomically(path, lambda file: file.write(b"new"))

    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]


def test_keeps_the_old_content_when_writing_fails(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)

    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]


def test_a_folder_that_is_gone_is_made_again(tmp_path):
    write_atomically(tmp_path / "gone" / "file", lambda file: file.write(b"new"))

    assert (tmp_path / "gone" / "file").read_bytes() == b"new"


def test_a_folder_that_cannot_be_written_is_reported_by_the_file_that_was_asked_for(
    tmp_path, monkeypatch
):
    def refuse(self, mode):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(OSError, match="Read-only") as caught:
        write_atomically(tmp_path / "file", lambda file: file.write(b"new"))

    assert caught.value.filename == str(tmp_path / "file")
