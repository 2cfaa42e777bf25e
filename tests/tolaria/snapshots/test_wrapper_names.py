"""Tests that what a governor saved of a wrapped network loads into the plain one, and the other way round."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig
from tests.tolaria.disk import through_disk
from tests.tolaria.networks import SlottedNet, dense_net, fossilise, same, scramble, state_of


class Wrapper(nn.Module):
    """Holds a network as DDP does, without the processes."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, inputs):
        return self.module(inputs)


def compiled(model):
    return torch.compile(model, backend="eager")


def partly_compiled(model):
    model[0] = compiled(model[0])
    return model


WRAPPERS = {
    "plain": lambda model: model,
    "compiled": compiled,
    "wrapped": Wrapper,
    "both": lambda model: Wrapper(compiled(model)),
    "partly compiled": partly_compiled,
}


def governed(network, wrap):
    """Return the bare network, as a state, and a governor of the wrapped one after a step of Adam."""
    model = wrap(network)
    optimizer = torch.optim.Adam(model.parameters())
    governor = TolariaGovernor(
        model,
        optimizers=[optimizer],
        companions={"average": AveragedModel(network)},
        config=GovernorConfig(optimizer_state="restore", snapshot_interval=1, trust_after_steps=0),
    )
    for _ in range(3):
        optimizer.zero_grad()
        loss = model(torch.ones(4, 3) * torch.arange(4.0).reshape(4, 1)).square().mean()
        loss.backward()
        governor.before_step(loss)
        optimizer.step()
        governor.after_step()
    return model, optimizer, governor


@pytest.mark.parametrize("saving", ["plain", "both", "partly compiled"])
@pytest.mark.parametrize("loading", WRAPPERS)
def test_snapshots_load_with_and_without_wrappers(saving, loading):
    torch.manual_seed(0)
    saved_model, saved_optimizer, saved = governed(dense_net(), WRAPPERS[saving])
    model, optimizer, governor = governed(dense_net(), WRAPPERS[loading])

    governor.load_state_dict(through_disk(saved.state_dict()))
    scramble(model)
    governor.execute_rollback()
    saved.execute_rollback()

    wanted = list(saved_model.state_dict().values())
    assert all(map(torch.equal, model.state_dict().values(), wanted))
    moments = [state["exp_avg"] for state in optimizer.state.values()]
    assert len(moments) == 6
    saved_moments = [state["exp_avg"] for state in saved_optimizer.state.values()]
    assert all(map(torch.equal, moments, saved_moments))


@pytest.mark.parametrize("wrap", [compiled, Wrapper])
def test_fossils_load_without_the_wrapper(wrap):
    network = SlottedNet()
    fossilise(network.late)
    plain = TolariaGovernor(network)
    wrapped = TolariaGovernor(wrap(network))
    wrapped.snapshot()
    before = state_of(network)
    scramble(network)

    plain.load_state_dict(through_disk(wrapped.state_dict()))
    plain.execute_rollback()

    assert same(state_of(network), before)
    assert not network.late.is_empty


def test_a_module_that_happens_to_have_the_name_of_a_wrapper_keeps_it():
    network = nn.ModuleDict({"module": nn.Linear(2, 2), "other": nn.Linear(2, 2)})
    governor = TolariaGovernor(network)
    governor.snapshot()
    before = state_of(network)
    scramble(network)

    governor.load_state_dict(through_disk(governor.state_dict()))
    governor.execute_rollback()

    assert same(state_of(network), before)
