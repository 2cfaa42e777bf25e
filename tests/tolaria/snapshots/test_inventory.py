"""Tests of the list of saved tensors, and that every structural change makes it stale."""

import copy

import pytest
import torch
from torch import nn

from tests.tolaria.networks import SlottedNet, dense_net, inventory_of


def grow(model: nn.Module) -> None:
    model.append(nn.Linear(2, 2))


def replace_parameter(model: nn.Module) -> None:
    model[0].weight = nn.Parameter(torch.zeros(5, 3))


def replace_data(model: nn.Module) -> None:
    model[0].weight.data = torch.zeros(5, 3)


def add_buffer(model: nn.Module) -> None:
    model[0].register_buffer("scale", torch.ones(1))


def drop_bias(model: nn.Module) -> None:
    model[3].bias = None


@pytest.mark.parametrize(
    "change",
    [grow, replace_parameter, replace_data, add_buffer, drop_bias, nn.Module.half],
    ids=lambda change: change.__name__,
)
def test_detects_a_structural_change_of_the_model(change):
    model = dense_net()
    inventory = inventory_of(model)
    assert inventory.is_current()

    change(model)

    assert not inventory.is_current()


def test_training_does_not_make_it_stale():
    model = dense_net()
    optimizer = torch.optim.Adam(model.parameters())

    def step():
        model(torch.randn(4, 3)).sum().backward()
        optimizer.step()

    step()
    inventory = inventory_of(model, optimizers={"adam": optimizer})
    step()

    assert inventory.is_current()


@pytest.mark.parametrize(
    "change",
    [
        lambda optimizer: optimizer.state.clear(),
        lambda optimizer: optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict())),
    ],
    ids=["cleared", "loaded"],
)
def test_detects_that_an_optimizer_has_new_state_tensors(change):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    inventory = inventory_of(model, optimizers={"adam": optimizer})

    change(optimizer)

    assert not inventory.is_current()


def test_detects_the_first_state_of_an_optimizer():
    model = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    inventory = inventory_of(model, optimizers={"adam": optimizer})
    model(torch.ones(1, 2)).sum().backward()

    optimizer.step()

    assert not inventory.is_current()


def test_detects_a_new_seed():
    model = SlottedNet()
    inventory = inventory_of(model)

    model.early.germinate("norm")

    assert not inventory.is_current()


def test_lists_the_state_dict_without_the_tensors_of_live_seeds():
    model = SlottedNet()
    model.early.germinate("norm")

    inventory = inventory_of(model)

    host = [key for key in model.state_dict() if not key.startswith("early.")]
    assert sorted(inventory.keys) == sorted(host)
    assert inventory.num_excluded == len(model.state_dict()) - len(host)


def test_a_shared_module_has_all_its_names():
    model = nn.ModuleDict({"a": (shared := nn.Linear(1, 1)), "b": shared})

    inventory = inventory_of(model)

    assert inventory.keys == tuple(model.state_dict())
    assert set(inventory.entries) == {"a.weight", "a.bias"}


def test_buffers_that_are_not_persistent_are_not_saved():
    model = nn.Linear(1, 1)
    model.register_buffer("cache", torch.zeros(1), persistent=False)

    assert inventory_of(model).keys == ("weight", "bias")


def test_the_optimizer_state_of_a_live_seed_is_excluded():
    model = SlottedNet()
    model.early.germinate("norm")
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()

    inventory = inventory_of(model, optimizers={"sgd": optimizer})

    moments = {key for key, entry in inventory.entries.items() if entry.part == "optimizer"}
    assert moments == {f"sgd/{name}/momentum_buffer" for name in inventory.keys if "_" not in name}
