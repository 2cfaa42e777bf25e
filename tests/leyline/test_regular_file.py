"""Tests that only regular files are read, and that nothing else blocks the reader."""

import os

import pytest

from esper.leyline.regular_file import read_regular_file


def test_reads_a_file_and_a_link_to_one(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")

    assert read_regular_file(tmp_path / "file") == b"content"
    assert read_regular_file(tmp_path / "link") == b"content"


def test_anything_else_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "dangling").symlink_to("nowhere")

    for name, kind in (("pipe", "a named pipe"), ("folder", "a folder"), ("device", "a device")):
        with pytest.raises(OSError, match=f"it is {kind}, not a file"):
            read_regular_file(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_regular_file(tmp_path / "dangling")
