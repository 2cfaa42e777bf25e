"""`esper tasks`, `blueprints` and `policies`, and tasks from files and installed packages."""

import os
import shlex
import signal

import pytest
from torch.optim.optimizer import register_optimizer_step_post_hook

from esper.cli import main
from esper.leyline.errors import UsageError
from esper.tolaria.tasks import registry
from esper.tolaria.tasks.pydoc import text_hash
from esper.tolaria.tasks.registry import get_task, task_names

FILE = """
import torch
from torch import nn
import esper

def load():
    inputs = torch.randn(90, 4, generator=torch.Generator().manual_seed(0))
    targets = (inputs.sum(dim=1) > 0).long()
    return tuple(esper.Samples(inputs=x, targets=y) for x, y in zip(inputs.split(30), targets.split(30)))

TASK = esper.Task(name="NAME", load_samples=load, build_host=lambda: nn.Linear(4, 2), num_classes=2, epochs=2)
OTHER = 3
"""


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my_task.py"
    path.write_text(FILE.replace("NAME", "of_a_file"), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("tasks", ["digits   classification, accuracy in %, 60 epochs", text_hash()[:12]]),
        ("tasks", ["pydoc    language modelling, accuracy of the next token in %"]),
        ("blueprints", ["cnn:\n", "  conv_light ", "transformer:\n", "  mlp_small "]),
        ("policies", ["heuristic  esper.HeuristicPolicy: Plants a seed when"]),
    ],
)
def test_a_list_names_what_there_is(capsys, command, expected):
    assert main([command]) == 0

    printed = capsys.readouterr().out
    for part in expected:
        assert part in printed


def test_a_task_of_a_file_is_trained_and_resumed(capsys, file):
    assert main(["train", "--task", "my_task.py:TASK", "--no-baseline"]) == 0
    assert "of_a_file" in capsys.readouterr().out
    registry._TASKS.pop("of_a_file")
    resume = ["train", "--resume", "latest", "--epochs", "3"]

    assert main([*resume]) == 2
    assert main([*resume, "--task", "my_task.py:TASK"]) == 0


def test_the_command_that_continues_a_run_names_the_file_of_its_task(capsys, file):
    def stop_after_a_step(optimizer, args, kwargs):
        os.kill(os.getpid(), signal.SIGINT)

    hook = register_optimizer_step_post_hook(stop_after_a_step)
    assert main(["train", "--task", "my_task.py:TASK", "--no-baseline"]) == 130
    hook.remove()
    last = capsys.readouterr().out.splitlines()[-1]
    registry._TASKS.pop("of_a_file")

    assert main(shlex.split(last.removeprefix("To continue: esper"))) == 0


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("absent.py:TASK", "a task's file must exist, got 'absent.py'; write path.py:NAME"),
        ("my_task.py:OTHER", "my_task.py must hold the task 'OTHER', got a file with TASK; name"),
    ],
)
def test_a_place_without_a_task_is_refused(file, place, message):
    with pytest.raises(UsageError, match=message):
        get_task(place)


def install(folder, name, place):
    info = folder / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[esper.tasks]\n{name} = {place}\n", "utf-8")


def test_a_task_of_an_installed_package_is_known(tmp_path, monkeypatch, capsys):
    (tmp_path / "installed_task.py").write_text(FILE.replace("NAME", "of_a_package"), "utf-8")
    install(tmp_path, "of_a_package", "installed_task:TASK")
    monkeypatch.syspath_prepend(tmp_path)

    assert "of_a_package" in task_names()
    assert get_task("of_a_package").epochs == 2
    assert main(["tasks"]) == 0
    assert "of_a_package  classification" in capsys.readouterr().out


def test_an_entry_point_that_is_not_its_task_is_refused(tmp_path, monkeypatch):
    (tmp_path / "wrong_task.py").write_text(FILE, "utf-8")
    install(tmp_path, "of_another", "wrong_task:OTHER")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(
        UsageError, match=r"the entry point 'of_another' of the group esper\.tasks must be"
    ):
        get_task("of_another")
