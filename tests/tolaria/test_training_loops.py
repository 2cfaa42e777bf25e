"""Tests that every recipe of docs/howto/training_loops.md survives a batch of NaN and leaves nothing half-way."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

PAGE = (Path(__file__).parents[2] / "docs/howto/training_loops.md").read_text(encoding="utf-8")
RECIPES = dict(
    re.findall(r"^##+ ([^\n]+)\n(?:(?!^#).)*?```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
)
BAD = 20
"""Index of the batch of NaN, before the second snapshot is due, so that the first is restored."""


def batches(num: int, *, bad: int):
    """Return batches of inputs (8, 4) and targets (8, 1), of which one holds a NaN."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for index in range(num):
        inputs = torch.randn(8, 4, generator=generator)
        targets = inputs.sum(dim=1, keepdim=True)
        if index == bad:
            inputs[0, 0] = torch.nan
        found.append((inputs, targets))
    return found


def run(recipe: str, loader):
    """Run a recipe; return its names and the state of the network before it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    names = {"torch": torch, "model": model, "loader": loader, "loss_function": mse_loss}
    exec(compile(RECIPES[recipe], recipe, "exec"), names)
    return names, before


def test_every_block_of_the_page_is_a_recipe():
    assert len(RECIPES) == PAGE.count("```python") == 8


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_batch_of_nan_is_undone_bit_for_bit(recipe):
    accumulated = 4 if "accumulate=4" in RECIPES[recipe] else 1
    names, before = run(recipe, batches(BAD + accumulated, bad=BAD))
    governor, model = names["governor"], names["model"]
    if "judge_every" in RECIPES[recipe]:
        # The bad step is none of those that are judged: its update is masked on the device.
        assert governor.last_rollback is None
        assert all(parameter.isfinite().all() for parameter in model.parameters())
        return

    assert governor.last_rollback.reason.name == "NAN"
    # The first snapshot comes after the first forward pass, which changes the statistics of batch normalisation.
    for key, value in model.state_dict().items():
        assert "1." in key or torch.equal(value, before[key]), key
        assert value.isfinite().all()
    assert all(parameter.grad is None for parameter in model.parameters())
    if "schedule" in names:
        is_companion = "schedule" in RECIPES[recipe].partition("companions=")[2][:30]
        assert names["scheduler"].last_epoch == (0 if is_companion else BAD)
    if "average" in names:
        assert names["average"].n_averaged == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_training_goes_on_after_a_batch_of_nan(recipe):
    names, before = run(recipe, batches(60, bad=BAD))
    governor, model = names["governor"], names["model"]

    assert governor.stop_report is None
    weight = model[0].weight
    assert weight.isfinite().all()
    assert not torch.equal(weight, before["0.weight"])
    if "scaler" in names:
        assert names["scaler"].get_scale() == 65536.0
