"""A run on a disk that is full, read-only or damaged says so in a sentence and loses nothing that could be kept."""

import errno
import logging
import os
from pathlib import Path

import pytest
import torch
from torch import nn

import esper
from esper.nissa import run_lock
from esper.tolaria.tasks import registry
from esper.tolaria.training import checkpoint, model_file, run
from esper.tolaria.training.checkpoint import Checkpoints


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    """Let each test register tasks that later tests do not see."""
    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))


def load_points() -> tuple[esper.Samples, esper.Samples]:
    inputs = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    samples = esper.Samples(inputs=inputs, targets=(inputs[:, 0] > 0).long())
    return samples, samples


def build_host() -> nn.Module:
    return nn.Linear(3, 2)


POINTS = esper.Task(
    name="points", load_samples=load_points, build_host=build_host, num_classes=2, epochs=3
)


def trained(folder: Path) -> Path:
    """Return the folder of a run of three epochs, of which two have a checkpoint."""
    return esper.run_task(esper.register_task(POINTS), policy=None, run_dir=folder).folder


def resumed(folder: Path, epochs: int = 4):
    return esper.resume_run(folder, policy=None, epochs=epochs, run_dir=folder.parent)


def rewritten(folder: Path, change) -> None:
    """Change the content of the newest checkpoint of a run; its checksum is right again."""
    content, _ = Checkpoints(folder).load_newest(device="cpu", check=lambda content, path: None)
    change(content)
    content.pop("format")
    Checkpoints(folder).save(content, epoch=3)


class FullDisk:
    """Fails all writes of files with certain names, or only a number of them."""

    def __init__(self, monkeypatch, *names, num=1_000_000, error=errno.ENOSPC):
        self.num, self.names, self.error = num, names, error
        for module in (checkpoint, model_file):
            monkeypatch.setattr(module, "write_atomically", self.wrap(module.write_atomically))

    def wrap(self, function):
        def write(path, content):
            if self.num and any(name in str(path) for name in self.names):
                self.num -= 1
                raise OSError(self.error, os.strerror(self.error), str(path))
            function(path, content)

        return write


def test_old_checkpoints_are_given_up_for_the_network(tmp_path, monkeypatch):
    FullDisk(monkeypatch, "model.pt", num=1)

    folder = trained(tmp_path)

    assert [path.name for path in Checkpoints(folder).paths()] == ["epoch-000003.pt"]
    assert esper.load(folder) is not None


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_network_that_cannot_be_saved_in_its_folder_is_saved_elsewhere(
    tmp_path, monkeypatch, caplog, error
):
    monkeypatch.setattr(run.tempfile, "tempdir", str(tmp_path))
    FullDisk(monkeypatch, "runs/", error=error)

    with caplog.at_level(logging.WARNING):
        folder = trained(tmp_path / "runs")

    (elsewhere,) = tmp_path.glob(f"{folder.name}-*")
    warning = caplog.messages[-1]
    assert warning.startswith("the network cannot be saved in ")
    assert f"({os.strerror(error)}); it is in '{elsewhere / 'model.pt'}', move it" in warning
    (elsewhere / "model.pt").rename(folder / "model.pt")
    assert esper.load(folder) is not None


def test_a_network_that_can_be_saved_nowhere_is_an_error_of_the_runs_folder(tmp_path, monkeypatch):
    FullDisk(monkeypatch, "model.pt")

    with pytest.raises(OSError, match="No space left on device") as caught:
        trained(tmp_path)

    assert caught.value.filename.startswith(str(tmp_path))


def test_a_folder_that_cannot_be_written_is_not_resumed(tmp_path, monkeypatch):
    folder = trained(tmp_path)

    def refuse(path, *_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(run_lock.RunLock, "acquire", refuse)

    with pytest.raises(
        esper.UsageError, match=r"written to be resumed, got .* \(Read-only file sy"
    ):
        resumed(folder)


@pytest.mark.parametrize("entry", ["trainer", "log"])
def test_a_checkpoint_without_an_entry_is_skipped(tmp_path, caplog, entry):
    folder = trained(tmp_path)
    rewritten(folder, lambda content: content.pop(entry))

    assert resumed(folder).epochs_completed == 4
    assert f"must have all entries of a checkpoint, got a file without {entry}." in caplog.text


@pytest.mark.parametrize("key", ["governor", "model", "optimizer", "random", "epochs_completed"])
def test_a_checkpoint_without_a_part_of_the_trainer_is_skipped(tmp_path, caplog, key):
    folder = trained(tmp_path)
    rewritten(folder, lambda content: content["trainer"].pop(key))

    assert resumed(folder).epochs_completed == 4
    assert f"got a file without trainer.{key}; an older checkpoint may be whole" in caplog.text


def resize(content):
    content["trainer"]["model"]["weight"] = torch.zeros(5, 5)


def drop_weight(content):
    del content["trainer"]["model"]["weight"]


def drop_keeper(content):
    del content["trainer"]["governor"]["recovery"]


def resize_snapshot(content):
    first, *_ = content["trainer"]["governor"]["recovery"]["keeper"]["snapshots"]
    first["tensors"]["weight"] = torch.zeros(5, 5)


def drop_random(content):
    content["trainer"]["random"] = {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (resize, r"must fit the task's host, got another network \(.*\); resume with the task as"),
        (drop_weight, r"must fit the task's host, got another network"),
        (
            drop_keeper,
            r"must hold the state of a run with these settings, got another one \(.*\); re",
        ),
        (
            drop_random,
            r"must hold the state of a run with these settings, got another one \(KeyErr",
        ),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_in_a_sentence(tmp_path, change, message):
    folder = trained(tmp_path)
    rewritten(folder, change)

    with pytest.raises(esper.CheckpointError, match=message):
        resumed(folder)


def test_only_things_that_are_no_files_do_not_start_the_run_over(tmp_path):
    folder = trained(tmp_path)
    for path in Checkpoints(folder).paths():
        path.unlink()
        os.mkfifo(path)

    with pytest.raises(
        esper.CheckpointError, match=r"got only damaged ones: .* is a named pipe, not"
    ):
        resumed(folder)


def test_a_pipe_in_the_place_of_the_network_does_not_block(tmp_path):
    folder = trained(tmp_path)
    (folder / "model.pt").unlink()
    os.mkfifo(folder / "model.pt")

    with pytest.raises(esper.CheckpointError, match="it is a named pipe, not a file"):
        esper.load(folder)
