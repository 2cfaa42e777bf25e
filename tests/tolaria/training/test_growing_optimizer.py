"""The optimizer's parameter groups follow the seeds."""

import pytest
import torch

from esper.kasmina.slot import SeedSlot
from esper.tolaria.training.growing_optimizer import GrowingOptimizer, cosine_factor


@pytest.fixture
def slot() -> SeedSlot:
    return SeedSlot("r0c0", channels=8)


@pytest.fixture
def optimizer(slot) -> GrowingOptimizer:
    return GrowingOptimizer(
        [torch.nn.Parameter(torch.ones(3))],
        {"r0c0": slot},
        host_learning_rate=0.1,
        seed_learning_rate=0.01,
        momentum=0.9,
        weight_decay=0.0,
    )


def names(optimizer: GrowingOptimizer) -> list[str]:
    return [group["name"] for group in optimizer.inner.param_groups]


def step(optimizer: GrowingOptimizer) -> None:
    for group in optimizer.inner.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    optimizer.inner.step()


def test_a_planted_seed_gets_a_group_of_its_own(slot, optimizer):
    slot.germinate("norm", "first")

    optimizer.follow_seeds()
    optimizer.follow_seeds()

    assert names(optimizer) == ["host", "slot:r0c0:first"]


def test_the_group_and_state_of_a_pruned_seed_are_removed(slot, optimizer):
    slot.germinate("norm", "first")
    optimizer.follow_seeds()
    step(optimizer)

    slot.prune()
    optimizer.follow_seeds()

    assert names(optimizer) == ["host"]
    assert len(optimizer.inner.state) == 1


def test_learning_rates_are_factors_of_each_groups_own_base(slot, optimizer):
    optimizer.set_learning_rate_factor(0.5)
    slot.germinate("norm", "first")
    optimizer.follow_seeds()

    assert [group["lr"] for group in optimizer.inner.param_groups] == pytest.approx([0.05, 0.005])

    optimizer.set_learning_rate_factor(1.0)

    assert [group["lr"] for group in optimizer.inner.param_groups] == pytest.approx([0.1, 0.01])


def test_the_cosine_falls_from_one_to_its_floor():
    factors = [cosine_factor(epoch, 10, floor=0.1) for epoch in range(1, 11)]

    assert factors[0] == 1.0
    assert factors[-1] == pytest.approx(0.1)
    assert factors == sorted(factors, reverse=True)
    assert cosine_factor(1, 1) == 1.0
