"""Hosts that cannot be trained, or not be built again, are refused with what is wrong and a remedy."""

from dataclasses import replace

import pytest
from torch import nn

from esper.leyline.actions import Rejuvenate
from esper.leyline.errors import UsageError
from esper.leyline.script import Decision
from esper.running import run_task
from esper.tamiyo.scripted import ScriptedPolicy
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.task import Samples
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer

PARTS = tuple(
    Samples(inputs=part.inputs[:129], targets=part.targets[:129]) for part in DIGITS.load_samples()
)


def frozen_host():
    return DIGITS.build_host().requires_grad_(False)


def host_with_batch_norm():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"build_host": frozen_host},
            "must have parameters that learn, got 1,009 that are all frozen; leave",
        ),
        (
            {"build_host": host_with_batch_norm, "batch_size": 64},
            "every batch must have at least 2 samples.* of 1 sample with batch_size=64; choose",
        ),
    ],
)
def test_a_host_that_cannot_be_trained_is_refused(fields, message):
    with pytest.raises(UsageError, match=message):
        Trainer(replace(DIGITS, epochs=1, **fields), RunSettings(), PARTS).fit()


def test_other_errors_of_a_host_are_its_own():
    class Failing(nn.Linear):
        def forward(self, x):
            raise ValueError("Expected something else")

    task = replace(DIGITS, epochs=1, build_host=lambda: Failing(64, 10))

    with pytest.raises(ValueError, match="Expected something else"):
        Trainer(task, RunSettings(), PARTS).fit()


def test_one_network_is_neither_rejuvenated_with_itself_nor_compared_with_itself(tmp_path):
    host = DIGITS.build_host()
    task = replace(DIGITS, epochs=3, build_host=lambda: host, load_samples=lambda: PARTS)
    policy = ScriptedPolicy([Decision(epoch=1, action=Rejuvenate(trial_share=0.0))])
    message = "must build a new network each time, got one with the same parameters twice; build it"

    with pytest.raises(UsageError, match=message):
        Trainer(task, RunSettings(), PARTS, policy=policy).fit()
    with pytest.raises(UsageError, match=message):
        run_task(task, RunSettings(), policy=policy, run_dir=tmp_path)
