"""Tests of the further state that is restored together with the weights."""

import math

import pytest
import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, SequentialLR, StepLR

from esper.leyline.errors import SnapshotError
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.snapshots.companions import Companions


class Loader:
    """A loader whose state dict holds its own list, not a copy."""

    def __init__(self) -> None:
        self.order = [3, 1, 2]

    def state_dict(self):
        return {"order": self.order}

    def load_state_dict(self, state):
        self.order = state["order"]


def optimizer_of(num_groups: int = 1) -> torch.optim.SGD:
    """Return an optimizer with a parameter in each group."""
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": 0.1} for _ in range(num_groups)]
    return torch.optim.SGD(groups, momentum=0.9)


def test_a_loader_is_restored_and_the_saved_state_is_not_aliased():
    loader = Loader()
    companions = Companions({"loader": loader})
    saved = companions.state_dict()

    for _ in range(2):
        loader.order.pop()
        companions.load_state_dict(saved)
        assert loader.order == [3, 1, 2]


SCHEDULES = {
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, T_max=10),
    "one cycle": lambda optimizer: OneCycleLR(optimizer, max_lr=0.1, total_steps=30),
    "sequence": lambda optimizer: SequentialLR(
        optimizer, [StepLR(optimizer, 2), CosineAnnealingLR(optimizer, 5)], milestones=[3]
    ),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_a_schedule_continues_from_the_restored_state(schedule):
    optimizer = optimizer_of(2)
    scheduler = schedule(optimizer)
    companions = Companions({"schedule": scheduler})

    def rates(num_steps):
        seen = []
        for _ in range(num_steps):
            optimizer.step()
            scheduler.step()
            seen += [(group["lr"], group["momentum"]) for group in optimizer.param_groups]
        return seen

    rates(4)
    saved = companions.state_dict()
    expected = rates(8)
    companions.load_state_dict(saved)

    assert rates(8) == expected


def test_a_group_added_since_keeps_its_rate():
    optimizer = optimizer_of()
    companions = Companions({"schedule": StepLR(optimizer, 1)})
    saved = companions.state_dict()
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr": 7.0})

    companions.load_state_dict(saved)

    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 7.0]


def test_the_scale_of_a_scaler_is_restored():
    scaler = GradScaler("cpu", init_scale=1024.0)
    scaler.scale(torch.ones(()))
    companions = Companions({"scaler": scaler})
    saved = companions.state_dict()
    scaler.update(new_scale=2.0)

    companions.load_state_dict(saved)

    assert scaler.state_dict()["scale"] == 1024.0


@pytest.mark.parametrize(
    ("scaler", "may_explain"),
    [
        (GradScaler("cpu", init_scale=8.0), True),
        (GradScaler("cpu", init_scale=0.5), False),
        (GradScaler("cpu", enabled=False), False),
    ],
    ids=["scaling", "scaled below one", "disabled"],
)
def test_a_scaler_may_explain_an_overflow_while_it_scales(scaler, may_explain):
    assert Companions({"scaler": scaler}).scaling.may_have_overflowed() is may_explain


def test_without_a_scaler_an_overflow_has_no_explanation():
    assert Companions({}).scaling.may_have_overflowed() is False


def test_refuses_a_companion_without_a_state_dict():
    message = "must have state_dict and load_state_dict, got 'clock' of type object; leave it out"
    with pytest.raises(ValueError, match=message):
        Companions({"clock": object()})


def test_a_learning_rate_in_a_tensor_stays_the_same_tensor():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=torch.tensor(1.0))
    rate = optimizer.param_groups[0]["lr"]
    companions = Companions({"schedule": StepLR(optimizer, 1)})
    saved = companions.state_dict()
    rate.fill_(5.0)

    companions.load_state_dict(saved)

    assert optimizer.param_groups[0]["lr"] is rate
    assert rate == 1.0


def test_a_snapshot_with_unknown_companions_is_refused():
    with pytest.raises(SnapshotError, match="must be companions of the governor, got average"):
        Companions({}).check_state_dict({"average": None})


def test_a_companion_that_raises_does_not_leave_a_rollback_incomplete():
    class Clock:
        def state_dict(self):
            return {}

        def load_state_dict(self, state_dict):
            raise RuntimeError("stopped")

    model = nn.Linear(2, 2)
    governor = TolariaGovernor(model, companions={"clock": Clock()})
    governor.snapshot()

    attempts = []
    for _ in range(2):
        model.weight.data.zero_()
        governor.check_vital_signs(math.nan)
        with pytest.raises(RuntimeError, match="stopped"):
            governor.execute_rollback()
        attempts.append(governor.state_dict()["recovery"]["escalation"]["num_attempts"])

    assert model.weight.any()
    assert attempts == [1, 2]
