"""Learning rates are lowered inside a step, and nobody outside it ever sees that."""

import copy
import gc
import math
import pickle

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR

from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.learning_rate_scaling import LearningRateBrake


def optimizer(*rates, kind=torch.optim.Adam) -> torch.optim.Optimizer:
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return kind(groups)


def rates_of(subject) -> list[float]:
    return [float(group["lr"]) for group in subject.param_groups]


def rates_in(subject) -> list[float]:
    """Take a step and return the rates it is taken with."""
    seen = []
    handle = subject.register_step_pre_hook(lambda *_: seen.extend(rates_of(subject)))
    subject.step()
    handle.remove()
    return seen


class Outer(torch.optim.SGD):
    """Calls the step of its base class, whose hooks are then called within its own."""

    def step(self, closure=None):
        super().step(closure)
        self.behind = rates_of(self)


class Failing(torch.optim.SGD):
    """Fails in every step."""

    def step(self, closure=None):
        raise KeyError


class Wrapper(torch.optim.Optimizer):
    """Is an optimizer by name only, as the wrappers of some training libraries are."""

    def __init__(self) -> None:
        pass


def test_multiplies_every_rate_inside_a_step_only():
    first, second = optimizer(1.0, 0.5), optimizer(0.25)
    brake = LearningRateBrake([first, second])

    brake.press(0.5)

    assert (rates_of(first), rates_of(second)) == ([1.0, 0.5], [0.25])
    for _ in range(2):
        assert (rates_in(first), rates_in(second)) == ([0.5, 0.25], [0.125])
        assert (rates_of(first), rates_of(second)) == ([1.0, 0.5], [0.25])
    brake.release()
    assert (rates_in(first), rates_in(second)) == ([1.0, 0.5], [0.25])


def test_pressing_again_does_not_multiply_twice():
    subject = optimizer(1.0)
    brake = LearningRateBrake([subject, subject])

    brake.press(0.5)
    brake.press(0.25)

    assert rates_in(subject) == [0.25]
    assert rates_of(subject) == [1.0]


def test_a_rate_that_somebody_else_sets_is_lowered_in_the_step_and_stays():
    subject = optimizer(1.0)
    brake = LearningRateBrake([subject])
    brake.press(0.5)
    subject.param_groups[0]["lr"] = 3.0

    assert rates_in(subject) == [1.5]
    brake.release()

    assert rates_of(subject) == [3.0]


def test_a_rate_in_a_tensor_stays_in_that_tensor():
    subject = optimizer(torch.tensor(1.0))
    held = subject.param_groups[0]["lr"]
    brake = LearningRateBrake([subject])

    brake.press(0.5)
    assert rates_in(subject) == [0.5]

    assert subject.param_groups[0]["lr"] is held
    assert float(held) == 1.0


@pytest.mark.parametrize("rate", [1.0, torch.tensor(1.0)], ids=["number", "tensor"])
def test_behind_a_step_that_failed_the_full_rate_comes_back(rate):
    subject = optimizer(rate, kind=Failing)
    brake = LearningRateBrake([subject])
    brake.press(0.5)
    for _ in range(2):
        with pytest.raises(KeyError):
            subject.step()
        assert rates_of(subject) == [0.5]

    brake.release()

    assert rates_of(subject) == [1.0]


def test_a_step_that_calls_that_of_its_base_class_is_slowed_down_once_and_to_its_end():
    optimizer(1.0, kind=torch.optim.SGD)
    subject = optimizer(1.0, kind=Outer)
    brake = LearningRateBrake([subject])

    brake.press(0.5)

    assert set(rates_in(subject)) == {0.5}
    assert subject.behind == [0.5]
    assert rates_of(subject) == [1.0]


@pytest.mark.parametrize("rate", [1.0, torch.tensor(1.0)], ids=["number", "tensor"])
@pytest.mark.parametrize(
    "schedule",
    [
        lambda subject: ExponentialLR(subject, 0.9),
        lambda subject: CosineAnnealingLR(subject, T_max=10),
        lambda subject: LambdaLR(subject, lambda step: 0.9**step),
    ],
    ids=["multiplied", "from the last rate", "anew"],
)
@pytest.mark.parametrize("releases_first", [True, False])
def test_schedules_run_as_without_it(schedule, releases_first, rate):
    plain, braked = optimizer(copy.deepcopy(rate)), optimizer(copy.deepcopy(rate))
    schedules = schedule(plain), schedule(braked)
    brake = LearningRateBrake([braked])
    for _ in range(5):
        brake.press(0.5)
        plain.step()
        braked.step()
        if releases_first:
            brake.release()
        for scheduler in schedules:
            scheduler.step()
        brake.release()

    assert rates_of(braked) == rates_of(plain)


def test_a_schedule_stepped_before_the_governor_is_told_does_not_run_down_to_zero():
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
def test_a_compiled_step_is_slowed_down_too(rate):
    torch.compiler.reset()
    subject = optimizer(copy.deepcopy(rate), kind=torch.optim.SGD)
    (parameter,) = subject.param_groups[0]["params"]
    parameter.grad = torch.ones(1)
    brake = LearningRateBrake([subject])
    step = torch.compile(subject.step, backend="eager")

    taken = []
    for factor in (1.0, 0.5, 0.25):
        brake.press(factor)
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
def test_a_copy_of_an_optimizer_has_the_full_rate_and_no_brake(duplicate):
    subject = optimizer(1.0)
    brake = LearningRateBrake([subject])
    brake.press(0.5)

    twin = duplicate(subject)

    assert rates_in(twin) == rates_of(twin) == [1.0]
    assert subject.state_dict()["param_groups"][0]["lr"] == 1.0
    assert rates_in(subject) == [0.5]


def test_without_its_brake_an_optimizer_steps_at_the_full_rate():
    subject = optimizer(1.0)
    brake = LearningRateBrake([subject])
    brake.press(0.5)

    del brake
    gc.collect()

    assert rates_in(subject) == [1.0]


def test_an_optimizer_that_takes_no_hooks_is_refused():
    message = (
        "must take hooks on its step, got Wrapper, which has not called Optimizer.__init__; hand in"
    )
    with pytest.raises(ValueError, match=message):
        LearningRateBrake([Wrapper()])
