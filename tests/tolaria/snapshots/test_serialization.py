"""Tests that snapshots survive in a checkpoint."""

import pytest
import torch
from hypothesis import given
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import StepLR
from torch.optim.swa_utils import AveragedModel

from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.snapshots.restore import RestorePlan
from esper.tolaria.snapshots.serialization import snapshot_from_state_dict, snapshot_state_dict
from tests.tolaria.disk import through_disk
from tests.tolaria.networks import (
    SlottedNet,
    fossilise,
    random_modules,
    same,
    scramble,
    state_of,
    store_for,
    stored_snapshots,
    take,
)


@given(random_modules())
def test_a_loaded_snapshot_restores_every_bit(model):
    store = store_for(model)
    wanted = state_of(model)
    loaded = snapshot_from_state_dict(through_disk(snapshot_state_dict(take(store))), {})
    scramble(model)

    RestorePlan(loaded, store.inventory()).restore_tensors({})

    assert same(state_of(model), wanted)


def test_a_loaded_snapshot_has_the_same_description():
    model = SlottedNet()
    fossilise(model.late)
    model.early.germinate("norm")
    store = store_for(model)
    snapshot = take(store, 7)

    loaded = snapshot_from_state_dict(
        through_disk(snapshot_state_dict(snapshot)), store.inventory().slots
    )

    assert loaded.info == snapshot.info
    assert loaded.inventory.fossils == ("late",)
    assert loaded.inventory.fingerprint == snapshot.info.fingerprint


def test_masks_may_be_infinite():
    model = torch.nn.Linear(2, 2)
    model.register_buffer("mask", torch.full((2, 2), -torch.inf))
    store = store_for(model)

    loaded = snapshot_from_state_dict(through_disk(snapshot_state_dict(take(store))), {})

    assert loaded.buffers.is_intact()
    assert torch.isneginf(loaded.buffers.view("mask")).all()


@pytest.mark.parametrize("optimizer_state", ["clear", "restore"])
def test_a_governor_rolls_back_to_snapshots_of_an_earlier_process(optimizer_state):
    processes = [_Process(optimizer_state) for _ in range(2)]
    first, second = processes
    for _ in range(3):
        first.train()
        first.governor.snapshot()
    first.train()

    second.governor.load_state_dict(through_disk(first.governor.state_dict()))
    for process in processes:
        torch.manual_seed(0)
        assert process.governor.execute_rollback().snapshot_id == 2
        process.noise = torch.rand(3)

    assert same(state_of(second.model), state_of(first.model))
    assert same(state_of(second.average), state_of(first.average))
    assert str(second.optimizer.state_dict()) == str(first.optimizer.state_dict())
    assert second.schedule.state_dict() == first.schedule.state_dict()
    assert torch.equal(second.noise, first.noise)


class _Process:
    """A governed network with everything that a snapshot can save."""

    def __init__(self, optimizer_state) -> None:
        self.model = SlottedNet()
        fossilise(self.model.late)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.1)
        self.schedule = StepLR(self.optimizer, 2)
        self.average = AveragedModel(self.model)
        self.governor = TolariaGovernor(
            self.model,
            optimizers=[self.optimizer],
            companions={"schedule": self.schedule, "average": self.average},
            config=GovernorConfig(optimizer_state=optimizer_state, random_state=True),
        )

    def train(self) -> None:
        images, labels = torch.rand(4, 1, 3, 3), torch.tensor([0, 1, 0, 1])
        cross_entropy(self.model(images), labels).backward()
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.model)


def with_older_keys(state):
    """Return a copy of `state` under the key names of checkpoints before they were renamed."""
    older = {"validated_loss": "vouched_loss", "fallback": "aside"}
    if isinstance(state, dict):
        return {older.get(key, key): with_older_keys(value) for key, value in state.items()}
    return [with_older_keys(one) for one in state] if isinstance(state, list) else state


def test_checkpoints_with_older_key_names_can_be_loaded():
    model = torch.nn.Linear(2, 2)
    governor = TolariaGovernor(model)
    for _ in range(2):
        governor.check_vital_signs(1.0)
        governor.snapshot()
    for _ in range(2):
        governor.check_vital_signs(torch.nan)
        governor.execute_rollback()
    governor.check_vital_signs(1.0)
    *_, fallback = stored_snapshots(governor)
    older = with_older_keys(governor.state_dict())
    loaded = TolariaGovernor(model)

    loaded.load_state_dict(through_disk(older))

    assert stored_snapshots(loaded)[-1].info == fallback.info
    assert stored_snapshots(loaded)[-1].context.validated_loss == 1.0
    assert str(loaded.state_dict()) == str(governor.state_dict())
