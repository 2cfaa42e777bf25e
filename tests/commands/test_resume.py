"""A run that was killed is resumed and ends as if it had not been interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from esper.cli import main
from tests.commands.logs import log_of, payloads_of, without_varying

EPOCHS = "24"
ARGUMENTS = ["--no-baseline", "--epochs", EPOCHS, "--inject-fault", "nan@5"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    """The folder of a run that was not interrupted."""
    root = tmp_path_factory.mktemp("uninterrupted")
    assert main(["train", "--run-dir", str(root), *ARGUMENTS]) == 0
    return next(root.iterdir())


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "esper", "train", "--run-dir", str(root), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_epoch(root: Path, epoch: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(
            line["epoch"] == epoch
            for line in payloads_of(log_of(root), "EPOCH_COMPLETED", as_lines=True)
        ):
            return
        time.sleep(0.01)
    raise TimeoutError(f"epoch {epoch} was not reached")


def comparable_log(root: Path) -> list:
    """Return the log without sequence numbers, times, ids, and the events of a process."""
    lines = [without_varying(line) for line in log_of(root)]
    return [
        {key: value for key, value in line.items() if key != "seq"}
        for line in lines
        if line["event"] not in ("RUN_RESUMED", "HUB_STATS")
    ]


def weights(folder: Path) -> dict:
    return torch.load(folder / "model.pt", weights_only=True)["state"]


def assert_same_weights(one: Path, other: Path) -> None:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    for key, value in a.items():
        same = torch.equal(value, b[key]) if isinstance(value, torch.Tensor) else value == b[key]
        assert same, key


@pytest.mark.parametrize("epoch", [3, 11, 17])
def test_after_kill_9_the_resumed_run_ends_bit_equal(uninterrupted, tmp_path, epoch):
    process = start(tmp_path, *ARGUMENTS)
    wait_for_epoch(tmp_path, epoch)
    process.kill()
    process.communicate()

    assert main(["train", "--run-dir", str(tmp_path), "--resume", "latest"]) == 0

    (folder,) = tmp_path.iterdir()
    assert_same_weights(folder, uninterrupted)
    assert comparable_log(tmp_path) == comparable_log(uninterrupted.parent)
    (resumed,) = payloads_of(log_of(tmp_path), "RUN_RESUMED")
    assert resumed["epochs_completed"] in (epoch - 1, epoch, epoch + 1)
    assert [line["seq"] for line in log_of(tmp_path)] == list(range(len(log_of(tmp_path))))


@pytest.mark.parametrize("epoch", [10, 11])
def test_a_run_resumed_between_rollbacks_still_has_the_older_snapshots(tmp_path, epoch):
    arguments = [
        "--no-baseline",
        "--policy",
        "none",
        "--epochs",
        "16",
        "--inject-fault",
        "spike@10",
    ]
    assert main(["train", "--run-dir", str(tmp_path / "uninterrupted"), *arguments]) == 0
    assert len(payloads_of(log_of(tmp_path / "uninterrupted"), "GOVERNOR_ROLLBACK")) >= 3
    killed = tmp_path / "killed"
    process = start(killed, *arguments)
    wait_for_epoch(killed, epoch)
    process.kill()
    process.communicate()

    assert main(["train", "--run-dir", str(killed), "--resume", "latest"]) == 0

    assert_same_weights(next(killed.iterdir()), next((tmp_path / "uninterrupted").iterdir()))
    assert comparable_log(killed) == comparable_log(tmp_path / "uninterrupted")


def test_ctrl_c_ends_the_run_in_order_and_the_output_says_how_to_continue(uninterrupted, tmp_path):
    process = start(tmp_path, *ARGUMENTS)
    wait_for_epoch(tmp_path, 4)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)

    (folder,) = tmp_path.iterdir()
    assert process.returncode == 130
    assert "interrupted" in out.lower()
    assert f"To continue: esper train --resume {folder.name}" in out
    assert "Traceback" not in err
    (finished,) = payloads_of(log_of(tmp_path), "RUN_FINISHED")
    assert finished["outcome"] == "INTERRUPTED"
    assert main(["train", "--run-dir", str(tmp_path), "--resume", folder.name]) == 0
    assert_same_weights(folder, uninterrupted)


def test_without_a_checkpoint_the_run_starts_over_and_says_so(uninterrupted, tmp_path, capsys):
    assert main(["train", "--run-dir", str(tmp_path), "--no-baseline", "--epochs", "2"]) == 0
    (folder,) = tmp_path.iterdir()
    for path in (folder / "checkpoints").iterdir():
        path.unlink()

    assert main(["train", "--run-dir", str(tmp_path), "--resume", "latest"]) == 0

    assert "has no checkpoint yet; it starts over" in capsys.readouterr().out
    assert len(payloads_of(log_of(tmp_path), "RUN_STARTED")) == 1
    (resumed,) = payloads_of(log_of(tmp_path), "RUN_RESUMED")
    assert resumed["epochs_completed"] == 0
    assert resumed["superseded_events"] > 0


def test_a_finished_run_can_be_made_longer(tmp_path, capsys):
    assert main(["train", "--run-dir", str(tmp_path), "--no-baseline", "--epochs", "2"]) == 0
    resume = ["train", "--run-dir", str(tmp_path), "--resume", "latest"]

    assert main(resume) == 2
    assert "which has completed all 2; try --epochs 4" in capsys.readouterr().err
    assert main([*resume, "--epochs", "3"]) == 0

    log = log_of(tmp_path)
    assert [line["epoch"] for line in payloads_of(log, "EPOCH_COMPLETED", as_lines=True)] == [
        1,
        2,
        3,
    ]
    assert len(payloads_of(log, "RUN_FINISHED")) == 1


def test_a_damaged_checkpoint_is_skipped_for_the_one_before_it(tmp_path, capsys):
    assert main(["train", "--run-dir", str(tmp_path), "--no-baseline", "--epochs", "3"]) == 0
    newest, _ = sorted(tmp_path.glob("*/checkpoints/*.pt"), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-100])

    code = main(["train", "--run-dir", str(tmp_path), "--resume", "latest", "--epochs", "4"])

    assert code == 0
    shown = capsys.readouterr().out
    assert "epoch-000003.pt must match its checksum, got a damaged file" in shown
    assert "continues after epoch 2" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "0"], "--seed must be given when a run starts"),
        (["--no-baseline"], "--no-baseline must be given when a run starts"),
        (["--seed", "1"], "--seed must be given when a run starts, got it with --resume"),
        (["--inject-fault", "nan@2"], "--inject-fault must be given when a run starts"),
        (["--epochs", "1"], "--epochs may only be raised on resume, got 1 after 2"),
    ],
)
def test_settings_cannot_be_changed_on_resume(tmp_path, capsys, arguments, message):
    assert main(["train", "--run-dir", str(tmp_path), "--no-baseline", "--epochs", "2"]) == 0

    code = main(["train", "--run-dir", str(tmp_path), "--resume", "latest", *arguments])

    assert code == 2
    assert message in capsys.readouterr().err


def test_a_run_that_is_being_trained_cannot_be_resumed(tmp_path, capsys):
    process = start(tmp_path, "--epochs", "500", "--no-baseline")
    wait_for_epoch(tmp_path, 1)

    code = main(["train", "--run-dir", str(tmp_path), "--resume", "latest"])
    process.kill()
    process.communicate()

    assert code == 2
    assert (
        "which another process is training; wait until that ends or stop it"
        in capsys.readouterr().err
    )
