"""Runs that an earlier version recorded can be loaded, read and resumed, with the same results.

`golden/runs/resumed` was killed, lost its newest checkpoint and half a line, was resumed and finished;
`golden/runs/torn` was killed and ends in the middle of a line.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch

import esper
from esper._generated.enums import SeedStage
from esper.cli import main
from esper.karn.run import read_story
from esper.kasmina.graft import find_slots
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


def test_the_grown_network_gives_the_recorded_logits():
    model = esper.load(RUNS / "resumed")
    inputs = DIGITS.load_samples()[1].inputs[:8]

    torch.testing.assert_close(
        model(inputs), torch.tensor(recorded("resumed.logits.json")["logits"])
    )
    fossils = [slot for slot in find_slots(model).values() if slot.stage is SeedStage.FOSSILIZED]
    assert [slot.blueprint_id for slot in fossils] == ["conv_heavy"]


def test_the_run_is_resumed_from_its_checkpoint(tmp_path):
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
