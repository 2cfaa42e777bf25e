"""`esper train` with the user's own tasks: classification, language modelling and regression, judged by evidence to the end."""

import json

import pytest

from esper.cli import main
from esper.tolaria.tasks import registry
from tests.commands.logs import log_of, payloads_of

FILE = """
import torch
from torch import nn
import esper

GENERATOR = torch.Generator().manual_seed(0)


class Host(nn.Module):
    def __init__(self, stem, channels, head):
        super().__init__()
        self.stem, self.head = stem, head
        self.slot = esper.SeedSlot("after-stem", channels=channels, topology="transformer")

    def forward(self, x):
        return self.head(self.slot(self.stem(x)))


def samples(inputs, targets):
    sizes = (240, 180, 180)
    parts = zip(inputs.split(sizes), targets.split(sizes))
    return tuple(esper.Samples(inputs=x, targets=y) for x, y in parts)


def classes():
    inputs = torch.randn(600, 1, 4, generator=GENERATOR)
    return samples(inputs, (inputs[:, 0, 0] * inputs[:, 0, 1] > 0).long())


def tokens():
    text = torch.cumsum(torch.randint(1, 3, (600, 9), generator=GENERATOR), dim=1) % 7
    return samples(text[:, :-1], text[:, 1:])


def numbers():
    inputs = torch.randn(600, 1, 4, generator=GENERATOR)
    targets = inputs[..., :1] * inputs[..., 1:2]
    return samples(inputs, targets)


def task(name, load, host, **options):
    return esper.Task(
        name=name,
        load_samples=load,
        build_host=host,
        blueprint_ids=("lora",),
        optimizer="adamw",
        host_learning_rate=0.01,
        seed_learning_rate=0.01,
        epochs=24,
        num_threads=1,
        **options,
    )


CLASSES = task(
    "classes",
    classes,
    lambda: Host(nn.Linear(4, 4), 4, nn.Sequential(nn.Flatten(), nn.Linear(4, 2))),
    num_classes=2,
)
TOKENS = task(
    "tokens",
    tokens,
    lambda: Host(nn.Embedding(7, 4), 4, nn.Linear(4, 7)),
    num_classes=7,
    objective=esper.LanguageModelling(),
)
NUMBERS = task(
    "numbers",
    numbers,
    lambda: Host(nn.Linear(4, 4), 4, nn.Linear(4, 1)),
    objective=esper.Regression(),
)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks.py").write_text(FILE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("CLASSES", "accuracy"),
        ("TOKENS", "accuracy of the next token"),
        ("NUMBERS", "variance explained"),
    ],
)
def test_a_seed_of_any_objective_is_judged_by_evidence_and_the_network_is_tested(
    folder, capsys, name, metric
):
    assert main(["train", "--task", f"tasks.py:{name}"]) == 0
    printed = capsys.readouterr().out
    assert main(["summary", "latest", "--json"]) == 0
    story = json.loads(capsys.readouterr().out)

    log = log_of(folder / "runs")
    assert payloads_of(log, "TELEMETRY_REJECTED") == []
    looks = [
        seed["evidence"]["look"]
        for epoch in payloads_of(log, "EPOCH_COMPLETED")
        for seed in epoch["seeds"]
        if seed["evidence"]
    ]
    assert max(looks) >= 3
    assert f"{metric} grown {story['test_accuracy']:.2f} %, host alone" in " ".join(printed.split())
    assert (story["outcome"], story["num_test"], story["metric"]) == ("COMPLETED", 180, metric)
    assert story["test_loss"] > 0.0 < story["baseline_test_loss"]
    assert story["test_loss"] != story["val_loss"]
