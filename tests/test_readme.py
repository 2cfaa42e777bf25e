"""The README's code runs as shown, and its commands exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from esper import SeedStage, TolariaGovernor, read_story
from esper.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GOVERNOR, SLOT = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^    \.venv/bin/esper (.*?)(?:\s+#.*)?$", README, re.MULTILINE)


def num_lines(code: str) -> int:
    return sum(bool(line.strip()) for line in code.splitlines())


def batches():
    """The digits as batches of images (64, 1, 8, 8) and their labels."""
    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels).float().reshape(-1, 1, 8, 8) / 16
    return list(zip(images.split(64), torch.tensor(labels).split(64), strict=True))


def test_the_governor_takes_twelve_lines_and_restores_a_broken_run():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    losses = iter(range(10_000))

    def loss_function(logits, targets):
        loss = cross_entropy(logits, targets)
        return loss * float("nan") if next(losses) == 20 else loss

    names = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "loader": batches() * 2,
        "loss_function": loss_function,
    }
    exec(compile(GOVERNOR, "README.md", "exec"), names)

    assert num_lines(GOVERNOR) <= 12
    assert names["governor"].last_rollback.reason.name == "NAN"
    assert names["governor"].step == len(names["loader"]) - 1


def test_a_run_of_the_loop_can_be_started_twice_and_has_an_outcome(folder):
    for _ in range(2):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        names = {
            "model": model,
            "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
            "loader": batches(),
            "loss_function": cross_entropy,
        }
        exec(compile(GOVERNOR, "README.md", "exec"), names)

    stories = [read_story(run) for run in (folder / "runs").iterdir()]
    assert [story.outcome.name for story in stories] == ["COMPLETED"] * 2
    assert all(story.metrics.last_step == len(batches()) - 1 for story in stories)


def test_the_governor_ends_the_loop_of_a_run_that_cannot_be_saved():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    names = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "loader": batches() * 100,
        "loss_function": lambda logits, targets: cross_entropy(logits, targets) * float("nan"),
    }
    exec(compile(GOVERNOR, "README.md", "exec"), names)

    assert names["governor"].stop_report is not None
    assert read_story(names["run"].folder).outcome.name == "STOPPED"


def test_the_slot_takes_twenty_lines_and_keeps_its_seed():
    torch.manual_seed(0)
    data = batches()
    governor = None

    def train_epoch(model, optimizer):
        nonlocal governor
        governor = governor or TolariaGovernor(model, optimizers=[optimizer])
        for inputs, targets in data:
            loss = cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            if governor.before_step(loss).may_step:
                optimizer.step()
            verdict = governor.after_step()
        return verdict

    @torch.no_grad()
    def accuracy(model):
        right = sum((model(x).argmax(dim=1) == y).sum().item() for x, y in data)
        return 100 * right / sum(len(y) for _, y in data)

    names = {"train_epoch": train_epoch, "accuracy": accuracy}
    exec(compile(SLOT, "README.md", "exec"), names)

    assert num_lines(SLOT) <= 20
    assert names["slot"].stage is SeedStage.FOSSILIZED


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Run the code in an empty folder, which is returned; it starts runs there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--epochs", "1", "--no-baseline"]) == 0


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("train")])
def test_the_commands_that_read_a_run_succeed(a_run, command):
    program = [sys.executable, "-m", "esper", *shlex.split(command)]

    assert subprocess.run(program, capture_output=True, check=False).returncode == 0
