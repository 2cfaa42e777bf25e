"""Runs that an earlier version recorded can be loaded, read and resumed, with the same results.

`golden/runs/resumed` was killed, lost its newest checkpoint and half a line, was resumed and finished;
`golden/runs/torn` was killed and ends in the middle of a line.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import esper
from esper._generated.enums import SeedStage
from esper.cli import main
from esper.karn.run import read_story
from esper.kasmina.graft import find_slots
from esper.tolaria.tasks import registry
from esper.tolaria.tasks.digits import DIGITS

RUNS = Path(__file__).parent / "golden" / "runs"


def recorded(name):
    return json.loads((RUNS / name).read_text(encoding="utf-8"))


def assert_holds(story, expected, where="story"):
    """Check that `story` has every value of `expected`; a later version may add entries."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert_holds(story[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(story) == len(expected), where
        for index, value in enumerate(expected):
            assert_holds(story[index], value, f"{where}[{index}]")
    else:
        assert story == expected, where


@pytest.mark.parametrize("name", ["resumed", "torn"])
def test_the_log_gives_the_recorded_story(name, capsys):
    assert main(["summary", str(RUNS / name), "--json"]) == 0

    story = json.loads(capsys.readouterr().out.replace(f"{RUNS}/", "RUNS/"))
    assert_holds(story, recorded(f"{name}.story.json"))


def test_a_torn_end_is_the_only_flaw(capsys):
    assert main(["lint-log", str(RUNS / "resumed")]) == 0
    capsys.readouterr()

    assert main(["lint-log", str(RUNS / "torn")]) == 1
    assert "202 lines, 1 flaw" in capsys.readouterr().out


def samples_of_then():
    """Return the training and validation samples that `digits` had when the runs were recorded; it had no others."""
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(pixels, labels, test_size=0.2, random_state=0, stratify=labels)
    train_x, val_x, train_y, val_y = map(torch.from_numpy, parts)
    return tuple(
        esper.Samples(inputs=x.float().div_(16.0).reshape(-1, 1, 8, 8), targets=y.long())
        for x, y in ((train_x, train_y), (val_x, val_y))
    )


def test_the_grown_network_gives_the_recorded_logits():
    model = esper.load(RUNS / "resumed")
    inputs = samples_of_then()[1].inputs[:8]

    torch.testing.assert_close(
        model(inputs), torch.tensor(recorded("resumed.logits.json")["logits"])
    )
    fossils = [slot for slot in find_slots(model).values() if slot.stage is SeedStage.FOSSILIZED]
    assert [slot.blueprint_id for slot in fossils] == ["conv_heavy"]


def test_the_run_is_resumed_from_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setitem(registry._TASKS, "digits", replace(DIGITS, load_samples=samples_of_then))
    then = recorded("torn.story.json")
    folder = tmp_path / then["run"]
    shutil.copytree(RUNS / "torn", folder)

    assert main(["train", "--resume", str(folder)]) == 0

    story = read_story(folder)
    assert [epoch.payload.val_loss for epoch in story.epochs[:23]] == [
        epoch["val_loss"] for epoch in then["curve"][:23]
    ]
    # The epoch after the checkpoint is trained again, from the saved weights, optimizer, order and random state.
    again, before = story.epochs[23].payload, then["curve"][23]
    assert again.train_loss == pytest.approx(before["train_loss"], rel=1e-3)
    assert again.val_accuracy == pytest.approx(before["val_accuracy"], abs=0.6)
    assert len(story.epochs) == 60
    assert (story.num_test, story.test_accuracy) == (None, None)
