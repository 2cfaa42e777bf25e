"""Checkpoints survive killed processes, damaged files and full disks."""

import errno
import os
from contextlib import suppress

import pytest
import torch

from esper.leyline import atomic
from esper.leyline.errors import CheckpointError
from esper.tolaria.training.checkpoint import Checkpoints


def anything(content, path):
    """Accept any content."""


def epochs(checkpoints: Checkpoints) -> list[str]:
    return [path.stem for path in checkpoints.paths()]


def test_loads_the_saved_content(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"weight": torch.arange(3.0), "epoch": 7}, epoch=7)

    content, damaged = checkpoints.load_newest(device="cpu", check=anything)

    assert torch.equal(content["weight"], torch.arange(3.0))
    assert content["epoch"] == 7
    assert damaged == []


def test_keeps_the_newest_few(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)

    for epoch in (1, 2, 3):
        checkpoints.save({}, epoch=epoch)

    assert epochs(checkpoints) == ["epoch-000003", "epoch-000002"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_falls_back_to_the_one_before_a_damaged_one(tmp_path, damage):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"epoch": 1}, epoch=1)
    path = checkpoints.save({"epoch": 2}, epoch=2)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes({"flip": data, "cut": data[:-10], "empty": b""}[damage])

    content, (error,) = checkpoints.load_newest(device="cpu", check=anything)

    assert content["epoch"] == 1
    assert "epoch-000002.pt must match its checksum, got a damaged file" in str(error)


def test_a_new_run_has_no_checkpoint(tmp_path):
    assert Checkpoints(tmp_path).load_newest(device="cpu", check=anything) == (None, [])


def test_leaves_other_files_alone(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save({}, epoch=1)
    mine = tmp_path / "checkpoints" / "epoch-best.pt"
    mine.write_text("mine")

    checkpoints.save({}, epoch=2)

    assert epochs(checkpoints) == ["epoch-000002"]
    assert mine.exists()


def test_keeps_the_old_ones_when_a_file_cannot_be_written(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save({"epoch": 1}, epoch=1)
    (tmp_path / "checkpoints" / "epoch-000002.pt").mkdir()

    with pytest.raises(OSError, match="directory"):
        checkpoints.save({"epoch": 2}, epoch=2)

    (tmp_path / "checkpoints" / "epoch-000002.pt").rmdir()
    assert checkpoints.load_newest(device="cpu", check=anything)[0]["epoch"] == 1


def test_at_least_one_is_kept(tmp_path):
    with pytest.raises(ValueError, match="keep must be at least 1, got 0"):
        Checkpoints(tmp_path, keep=0)


IN_THE_WAY = {
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("thing", IN_THE_WAY)
def test_anything_but_a_file_in_the_place_of_a_checkpoint_counts_as_damaged(tmp_path, thing):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"epoch": 1}, epoch=1)
    IN_THE_WAY[thing](tmp_path / "checkpoints" / "epoch-000002.pt")

    content, (error,) = checkpoints.load_newest(device="cpu", check=anything)

    assert content["epoch"] == 1
    assert "epoch-000002.pt must be a file that can be read, got an error (" in str(error)


@pytest.mark.parametrize("thing", IN_THE_WAY)
@pytest.mark.parametrize("keep", [1, 2])
def test_things_in_the_place_of_later_checkpoints_do_not_drive_out_good_ones(tmp_path, thing, keep):
    checkpoints = Checkpoints(tmp_path, keep=keep)
    checkpoints.save({"epoch": 1}, epoch=1)
    for epoch in (8, 9):
        IN_THE_WAY[thing](tmp_path / "checkpoints" / f"epoch-00000{epoch}.pt")

    for epoch in (2, 3):
        checkpoints.save({"epoch": epoch}, epoch=epoch)

    content, damaged = checkpoints.load_newest(device="cpu", check=anything)
    assert (content["epoch"], len(damaged)) == (3, 2)


def test_content_that_is_not_accepted_counts_as_damaged(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for epoch in (1, 2):
        checkpoints.save({"epoch": epoch}, epoch=epoch)

    def check(content, path):
        if content["epoch"] == 2:
            raise CheckpointError(f"{path.name} is not right")

    content, damaged = checkpoints.load_newest(device="cpu", check=check)

    assert content["epoch"] == 1
    assert [str(error) for error in damaged] == ["epoch-000002.pt is not right"]


@pytest.mark.parametrize("thing", ["file", "dangling link"])
def test_a_folder_that_cannot_be_listed_is_not_taken_for_a_new_run(tmp_path, thing):
    if thing == "file":
        (tmp_path / "checkpoints").write_bytes(b"")
    else:
        (tmp_path / "checkpoints").symlink_to("nowhere")

    with pytest.raises(CheckpointError, match="checkpoints must be a folder that can be read, got"):
        Checkpoints(tmp_path).load_newest(device="cpu", check=anything)


class Disk:
    """Fails the calls that write a file once a number of them has succeeded; `error` is that of a full disk."""

    def __init__(self, monkeypatch, *, num_calls, error=errno.ENOSPC, is_lasting=False):
        self.num_calls, self.error, self.is_lasting = num_calls, error, is_lasting
        self.calls = 0
        for owner, name in ((atomic.os, "fsync"), (atomic.Path, "replace"), (atomic.Path, "open")):
            monkeypatch.setattr(owner, name, self.wrap(getattr(owner, name)))

    def wrap(self, function):
        def call(*arguments, **settings):
            self.calls += 1
            has_failed = self.calls > self.num_calls
            if has_failed and (self.is_lasting or self.calls == self.num_calls + 1):
                raise OSError(self.error, os.strerror(self.error))
            return function(*arguments, **settings)

        return call


@pytest.mark.parametrize("num_calls", range(4))
@pytest.mark.parametrize("is_lasting", [True, False])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_an_error_in_any_call_leaves_a_whole_checkpoint(
    tmp_path, monkeypatch, num_calls, is_lasting, error
):
    checkpoints = Checkpoints(tmp_path)
    for epoch in (1, 2):
        checkpoints.save({"epoch": epoch}, epoch=epoch)

    with monkeypatch.context() as patch:
        Disk(patch, num_calls=num_calls, error=error, is_lasting=is_lasting)
        is_saved = False
        with suppress(OSError):
            checkpoints.save({"epoch": 3}, epoch=3)
            is_saved = True

    content, damaged = checkpoints.load_newest(device="cpu", check=anything)
    assert damaged == []
    # If only the folder cannot be flushed, the new file is there already.
    assert content["epoch"] == 3 if is_saved else content["epoch"] in (2, 3)
    # On a full disk the oldest is given up, and the file is written again.
    is_full = error in (errno.ENOSPC, errno.EDQUOT)
    assert is_saved == (is_full and not is_lasting)
    assert not list((tmp_path / "checkpoints").glob(".*"))


def test_a_full_disk_gets_rid_of_what_a_killed_process_left(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"epoch": 1}, epoch=1)
    left = tmp_path / "checkpoints" / ".epoch-000002.pt.4711.tmp"
    left.write_bytes(b"half")

    with monkeypatch.context() as patch:
        Disk(patch, num_calls=1)
        checkpoints.save({"epoch": 2}, epoch=2)

    assert not left.exists()
    assert epochs(checkpoints) == ["epoch-000002", "epoch-000001"]
