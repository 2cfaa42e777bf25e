"""Checkpoints survive killed processes, damaged files and full disks."""

import pytest
import torch

from esper.tolaria.training.checkpoint import Checkpoints


def epochs(checkpoints: Checkpoints) -> list[str]:
    return [path.stem for path in checkpoints.paths()]


def test_loads_the_saved_content(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"weight": torch.arange(3.0), "epoch": 7}, epoch=7)

    content, damaged = checkpoints.load_newest(device="cpu")

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

    content, (error,) = checkpoints.load_newest(device="cpu")

    assert content["epoch"] == 1
    assert "epoch-000002.pt must match its checksum, got a damaged file" in str(error)


def test_a_new_run_has_no_checkpoint(tmp_path):
    assert Checkpoints(tmp_path).load_newest(device="cpu") == (None, [])


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
    assert checkpoints.load_newest(device="cpu")[0]["epoch"] == 1


def test_at_least_one_is_kept(tmp_path):
    with pytest.raises(ValueError, match="keep must be at least 1, got 0"):
        Checkpoints(tmp_path, keep=0)
