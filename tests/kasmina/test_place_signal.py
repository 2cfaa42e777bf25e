"""The place signal is the gradient norm of a linear seed with zero weights, and measuring it leaves no trace."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from esper.kasmina.graft import find_slots
from esper.kasmina.place_signal import place_signals
from esper.kasmina.slot import SeedSlot
from esper.kasmina.topology import LAYOUTS
from esper.leyline.errors import SlotError
from tests.kasmina.test_layouts import CHANNELS, inputs


class Newborn(nn.Module):
    """A linear seed with zero weights, added to each position of the features."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.axis = LAYOUTS[layout].channel_axis
        self.weight = nn.Parameter(torch.zeros(CHANNELS, CHANNELS))

    def forward(self, x):
        return x + (x.movedim(self.axis, -1) @ self.weight.T).movedim(-1, self.axis)


class Host(nn.Module):
    """Calls its slot `num_calls` times, after dropout and a norm layer with running statistics, before an in-place ReLU."""

    def __init__(self, slot: nn.Module, num_calls: int = 1) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.7))
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(1)
        self.slot = slot
        self.num_calls = num_calls

    def forward(self, x):
        shape = x.shape
        x = self.norm(self.drop(x * self.scale).reshape(-1, 1)).reshape(shape)
        for _ in range(self.num_calls):
            x = torch.relu_(self.slot(x.clone()) + 0.1)
        return x


def mean_loss(model):
    return lambda batch: model(batch).square().mean()


def true_norm(layout: str, batches, num_calls: int) -> float:
    model = Host(Newborn(layout), num_calls).eval()
    torch.stack([mean_loss(model)(batch) for batch in batches]).mean().backward()
    return model.slot.weight.grad.norm().item()


@pytest.mark.parametrize("num_calls", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_signal_is_the_true_gradient_norm(layout, num_calls):
    batches = [inputs(layout, seed=seed) for seed in range(3)]
    model = Host(SeedSlot("r0c0", CHANNELS, layout=layout), num_calls)

    signals = place_signals(model, {"here": model.slot}, batches, mean_loss(model))

    assert set(signals) == {"here"}
    assert signals["here"] == pytest.approx(true_norm(layout, batches, num_calls), rel=1e-5)


def test_a_frozen_host_has_the_same_signal():
    model = Host(SeedSlot("r0c0", CHANNELS, layout="BCHW")).requires_grad_(False)

    signals = place_signals(model, find_slots(model), [inputs("BCHW")], mean_loss(model))

    assert signals["slot"] == pytest.approx(true_norm("BCHW", [inputs("BCHW")], 1), rel=1e-5)


def test_measuring_leaves_no_trace():
    model = Host(SeedSlot("r0c0", CHANNELS, layout="BCHW"))
    mean_loss(model)(inputs("BCHW")).backward()
    before = copy.deepcopy(model.state_dict())
    gradient, version = model.scale.grad.clone(), model.scale._version
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()

    place_signals(model, find_slots(model), [inputs("BCHW", 1)], mean_loss(model))

    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(model.scale.grad, gradient)
    assert model.scale._version == version
    assert model.training
    assert model.drop.training
    assert not model.slot._forward_hooks
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])


def test_slots_with_a_seed_and_slots_that_did_not_run_are_left_out():
    model = Host(SeedSlot("r0c0", CHANNELS))
    grown, unused = SeedSlot("r0c1", CHANNELS), SeedSlot("r0c2", CHANNELS)
    grown.germinate("norm")
    slots = {"empty": model.slot, "grown": grown, "unused": unused}

    assert set(place_signals(model, slots, [inputs("BCHW")], mean_loss(model))) == {"empty"}
    assert place_signals(model, {"grown": grown}, [inputs("BCHW")], mean_loss(model)) == {}
    assert place_signals(model, slots, [], mean_loss(model)) == {}


def test_the_hooks_are_removed_and_the_mode_restored_when_the_loss_fails():
    model = Host(SeedSlot("r0c0", CHANNELS, layout="BCL"))

    with pytest.raises(SlotError, match="slot 'r0c0' must get features"):
        place_signals(model, find_slots(model), [inputs("BCHW")], mean_loss(model))

    assert not model.slot._forward_hooks
    assert model.training


def test_a_compiled_host_has_the_same_signal():
    model = Host(SeedSlot("r0c0", CHANNELS))
    compiled = torch.compile(model, backend="eager")
    compiled(inputs("BCHW"))

    signals = place_signals(compiled, find_slots(model), [inputs("BCHW")], mean_loss(compiled))

    expected = place_signals(model, find_slots(model), [inputs("BCHW")], mean_loss(model))
    assert signals["slot"] == pytest.approx(expected["slot"], rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": 3}, "a model must be of type Module, got 3"),
        ({"slots": []}, "slots must be of type Mapping, got .*; pass a dictionary of slots"),
        ({"slots": {"a": 3}}, "slot 'a' must be of type SeedSlot, got 3"),
        ({"batches": 3}, "batches must be of type Iterable, got 3; pass a list of batches"),
        ({"loss": 3}, "loss must be a function, got 3"),
        ({"loss": lambda x: 1.0}, "of place_signals must be of type Tensor, got 1.0; return the"),
        ({"loss": lambda x: x}, r"must have one element, got shape \(3, 4\); return the mean loss"),
        ({"loss": lambda x: x.mean()}, "must have gradients, got one without; compute it from"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    slot = SeedSlot("a", 4, topology="mlp")
    model, x = nn.Sequential(nn.Linear(4, 4), slot), torch.ones(3, 4)

    def loss(batch):
        return model(batch).mean()

    def with_loss(batch):
        loss(batch)
        return arguments["loss"](batch)

    right = {"model": model, "slots": {"a": slot}, "batches": [x], "loss": loss}
    wrong = arguments
    if callable(arguments.get("loss")):
        wrong = {"loss": with_loss}

    with pytest.raises(ValueError, match=message):
        place_signals(**{**right, **wrong})
