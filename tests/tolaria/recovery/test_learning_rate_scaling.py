"""Tests that learning rates are lowered inside a step and never visible as such outside it."""

import copy
import gc
import math
import pickle

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR

from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.learning_rate_scaling import LearningRateScaling


def optimizer(*rates, kind=torch.optim.Adam) -> torch.optim.Optimizer:
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return kind(groups)


def rates_of(subject) -> list[float]:
    return [float(group["lr"]) for group in subject.param_groups]


def rates_in(subject) -> list[float]:
    """Take a step and return the learning rates during the step."""
    seen = []
    handle = subject.register_step_pre_hook(lambda *_: seen.extend(rates_of(subject)))
    subject.step()
    handle.remove()
    return seen


class Outer(torch.optim.SGD):
    """An optimizer whose step calls that of its base class, so that hooks run inside hooks."""

    def step(self, closure=None):
        super().step(closure)
        self.rates_at_end = rates_of(self)


class Failing(torch.optim.SGD):
    """An optimizer that fails in every step."""

    def step(self, closure=None):
        raise KeyError


class Wrapper(torch.optim.Optimizer):
    """An optimizer that does not call its base class, like the wrappers of some training libraries."""

    def __init__(self) -> None:
        pass


def test_multiplies_every_rate_only_inside_a_step():
    first, second = optimizer(1.0, 0.5), optimizer(0.25)
    scaling = LearningRateScaling([first, second])

    scaling.apply(0.5)

    assert (rates_of(first), rates_of(second)) == ([1.0, 0.5], [0.25])
    for _ in range(2):
        assert (rates_in(first), rates_in(second)) == ([0.5, 0.25], [0.125])
        assert (rates_of(first), rates_of(second)) == ([1.0, 0.5], [0.25])
    scaling.reset()
    assert (rates_in(first), rates_in(second)) == ([1.0, 0.5], [0.25])


def test_a_second_apply_replaces_the_factor():
    subject = optimizer(1.0)
    scaling = LearningRateScaling([subject, subject])

    scaling.apply(0.5)
    scaling.apply(0.25)

    assert rates_in(subject) == [0.25]
    assert rates_of(subject) == [1.0]


def test_a_rate_set_in_between_is_lowered_in_the_step_and_kept():
    subject = optimizer(1.0)
    scaling = LearningRateScaling([subject])
    scaling.apply(0.5)
    subject.param_groups[0]["lr"] = 3.0

    assert rates_in(subject) == [1.5]
    scaling.reset()

    assert rates_of(subject) == [3.0]


def test_a_rate_in_a_tensor_stays_in_that_tensor():
    subject = optimizer(torch.tensor(1.0))
    held = subject.param_groups[0]["lr"]
    scaling = LearningRateScaling([subject])

    scaling.apply(0.5)
    assert rates_in(subject) == [0.5]

    assert subject.param_groups[0]["lr"] is held
    assert float(held) == 1.0


@pytest.mark.parametrize("rate", [1.0, torch.tensor(1.0)], ids=["number", "tensor"])
def test_after_a_failed_step_reset_restores_the_full_rate(rate):
    subject = optimizer(rate, kind=Failing)
    scaling = LearningRateScaling([subject])
    scaling.apply(0.5)
    for _ in range(2):
        with pytest.raises(KeyError):
            subject.step()
        assert rates_of(subject) == [0.5]

    scaling.reset()

    assert rates_of(subject) == [1.0]


def test_a_step_that_calls_its_base_class_is_scaled_once_and_to_its_end():
    optimizer(1.0, kind=torch.optim.SGD)
    subject = optimizer(1.0, kind=Outer)
    scaling = LearningRateScaling([subject])

    scaling.apply(0.5)

    assert set(rates_in(subject)) == {0.5}
    assert subject.rates_at_end == [0.5]
    assert rates_of(subject) == [1.0]


@pytest.mark.parametrize("rate", [1.0, torch.tensor(1.0)], ids=["number", "tensor"])
@pytest.mark.parametrize(
    "schedule",
    [
        lambda subject: ExponentialLR(subject, 0.9),
        lambda subject: CosineAnnealingLR(subject, T_max=10),
        lambda subject: LambdaLR(subject, lambda step: 0.9**step),
    ],
    ids=["multiplied", "from the last rate", "from scratch"],
)
@pytest.mark.parametrize("resets_first", [True, False])
def test_schedules_give_the_same_rates_as_without_scaling(schedule, resets_first, rate):
    plain, scaled = optimizer(copy.deepcopy(rate)), optimizer(copy.deepcopy(rate))
    schedules = schedule(plain), schedule(scaled)
    scaling = LearningRateScaling([scaled])
    for _ in range(5):
        scaling.apply(0.5)
        plain.step()
        scaled.step()
        if resets_first:
            scaling.reset()
        for scheduler in schedules:
            scheduler.step()
        scaling.reset()

    assert rates_of(scaled) == rates_of(plain)


def test_a_schedule_stepped_before_after_step_does_not_run_down_to_zero():
    model = nn.Linear(4, 1)
    subject = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = ExponentialLR(subject, 0.999)
    governor = TolariaGovernor(model, optimizers=[subject])

    for index in range(400):
        if governor.before_step(math.nan if index in (100, 120, 140) else 0.5).may_step:
            subject.step()
        scheduler.step()
        governor.after_step()

    assert rates_of(subject) == pytest.approx([0.1 * 0.999**400])


# PyTorch imports what it has deprecated itself.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("rate", [1.0, torch.tensor(1.0)], ids=["number", "tensor"])
def test_a_compiled_step_is_scaled_too(rate):
    torch.compiler.reset()
    subject = optimizer(copy.deepcopy(rate), kind=torch.optim.SGD)
    (parameter,) = subject.param_groups[0]["params"]
    parameter.grad = torch.ones(1)
    scaling = LearningRateScaling([subject])
    step = torch.compile(subject.step, backend="eager")

    taken = []
    for factor in (1.0, 0.5, 0.25):
        scaling.apply(factor)
        parameter.data.zero_()
        step()
        taken.append(-parameter.item())
        assert rates_of(subject) == [1.0]

    assert taken == [1.0, 0.5, 0.25]


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))],
    ids=["copied", "pickled"],
)
def test_a_copy_of_an_optimizer_has_the_full_rate_and_is_not_scaled(duplicate):
    subject = optimizer(1.0)
    scaling = LearningRateScaling([subject])
    scaling.apply(0.5)

    twin = duplicate(subject)

    assert rates_in(twin) == rates_of(twin) == [1.0]
    assert subject.state_dict()["param_groups"][0]["lr"] == 1.0
    assert rates_in(subject) == [0.5]


def test_an_optimizer_steps_at_the_full_rate_once_the_scaling_is_deleted():
    subject = optimizer(1.0)
    scaling = LearningRateScaling([subject])
    scaling.apply(0.5)

    del scaling
    gc.collect()

    assert rates_in(subject) == [1.0]


def test_an_optimizer_that_takes_no_hooks_is_refused():
    message = (
        "must take hooks on its step, got Wrapper, which has not called Optimizer.__init__; pass"
    )
    with pytest.raises(ValueError, match=message):
        LearningRateScaling([Wrapper()])
