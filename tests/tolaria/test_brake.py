"""Learning rates are lowered for a step, whoever else sets them."""

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from esper.tolaria.brake import LearningRateBrake


def optimizer(*rates) -> torch.optim.Optimizer:
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.Adam(groups)


def rates_of(subject) -> list[float]:
    return [float(group["lr"]) for group in subject.param_groups]


def test_multiplies_every_rate_and_puts_it_back():
    first, second = optimizer(1.0, 0.5), optimizer(0.25)
    brake = LearningRateBrake([first, second])

    brake.press(0.5)
    assert (rates_of(first), rates_of(second)) == ([0.5, 0.25], [0.125])
    brake.release()

    assert (rates_of(first), rates_of(second)) == ([1.0, 0.5], [0.25])


def test_pressing_again_does_not_multiply_twice():
    subject = optimizer(1.0)
    brake = LearningRateBrake([subject])

    brake.press(0.5)
    brake.press(0.5)

    assert rates_of(subject) == [0.5]


def test_a_rate_that_somebody_else_has_set_since_stays():
    subject = optimizer(1.0)
    brake = LearningRateBrake([subject])
    brake.press(0.5)
    subject.param_groups[0]["lr"] = 3.0

    brake.release()

    assert rates_of(subject) == [3.0]


def test_a_rate_in_a_tensor_stays_in_that_tensor():
    rate = torch.tensor(1.0)
    subject = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=rate, capturable=False)
    held = subject.param_groups[0]["lr"]
    brake = LearningRateBrake([subject])

    brake.press(0.5)
    assert float(held) == 0.5
    brake.release()

    assert subject.param_groups[0]["lr"] is held
    assert float(held) == 1.0


@pytest.mark.parametrize(
    "schedule",
    [
        lambda subject: CosineAnnealingLR(subject, T_max=10),
        lambda subject: LambdaLR(subject, lambda step: 0.9**step),
    ],
    ids=["from the last rate", "anew"],
)
def test_schedules_run_as_without_it(schedule):
    plain, braked = optimizer(1.0), optimizer(1.0)
    schedules = schedule(plain), schedule(braked)
    brake = LearningRateBrake([braked])
    for _ in range(5):
        brake.press(0.5)
        plain.step()
        braked.step()
        brake.release()
        for scheduler in schedules:
            scheduler.step()

    assert rates_of(braked) == rates_of(plain)
