"""Tests of reading, restoring and clearing the state of optimizers."""

import re

import pytest
import torch
from torch import nn

from esper.tolaria.snapshots.optimizer_state import (
    clear_state,
    load_parameter_state,
    named_parameters,
    optimizers_by_name,
)

OPTIMIZERS = [
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adagrad,
    torch.optim.RMSprop,
    torch.optim.NAdam,
    torch.optim.Rprop,
    torch.optim.ASGD,
    torch.optim.Adadelta,
]


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.ones(1, 2)).pow(2).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
def test_a_cleared_optimizer_steps_like_a_new_one(kind):
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    start = [parameter.detach().clone() for parameter in model.parameters()]
    extra = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimizer = kind(model.parameters(), lr=0.1, **extra)

    runs = []
    for _ in range(2):
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), start, strict=True):
                parameter.copy_(value)
        for _ in range(3):
            step(model, optimizer)
        runs.append([parameter.detach().clone() for parameter in model.parameters()])
        clear_state(optimizer)

    assert all(map(torch.equal, *runs))


def test_a_cleared_adagrad_starts_from_its_own_initial_value():
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.Adagrad([parameter], initial_accumulator_value=0.5)

    clear_state(optimizer)

    assert torch.equal(optimizer.state[parameter]["sum"], torch.full((2,), 0.5))


def test_parameters_outside_the_model_are_named_after_their_position():
    model = nn.Linear(2, 2)
    stranger = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [model.bias]}, {"params": [model.weight, stranger]}])

    names = [name for name, _ in named_parameters(model, optimizer)]

    assert names == ["bias", "weight", "group1.1"]


def test_copies_into_the_existing_tensors():
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([parameter])
    present, saved = torch.zeros(2), torch.ones(2)
    optimizer.state[parameter] = {"momentum_buffer": present, "gone": 1}

    load_parameter_state(
        optimizer, parameter, {"momentum_buffer": saved, "new": saved}, {"count": 3}
    )

    state = optimizer.state[parameter]
    assert state["momentum_buffer"] is present
    assert torch.equal(present, saved)
    assert state["new"] is not saved
    assert state["count"] == 3
    assert "gone" not in state


def test_drops_the_state_of_a_parameter_without_a_saved_state():
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([parameter])
    optimizer.state[parameter] = {"momentum_buffer": torch.zeros(2)}

    load_parameter_state(optimizer, parameter, {}, {})

    assert parameter not in optimizer.state


def test_optimizers_without_a_name_are_numbered():
    first, second = (torch.optim.SGD([nn.Parameter(torch.zeros(1))]) for _ in range(2))

    assert optimizers_by_name([first, second]) == {"optimizer0": first, "optimizer1": second}
    assert optimizers_by_name({"host": first}) == {"host": first}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            torch.optim.SGD([nn.Parameter(torch.zeros(1))]),
            "optimizers must be a list of optimizers or a mapping of names to them, got SGD;"
            " write optimizers=[optimizer]",
        ),
        (nn.Linear(1, 1), "a mapping of names to them, got Linear; write optimizers="),
        (
            [nn.Linear(1, 1)],
            "an optimizer must be a torch.optim.Optimizer, got Linear as optimizer0; pass anything"
            " else that has a state as a companion",
        ),
        ({"host": None}, "must be a torch.optim.Optimizer, got NoneType as host; pass"),
    ],
)
def test_anything_but_optimizers_is_refused(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        optimizers_by_name(given)
