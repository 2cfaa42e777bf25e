"""Rejuvenation mixes weights with fresh ones, is decided by a paired trial, and never makes the governor roll back."""

import copy
import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

from esper._generated.governor import GovernorRollbackPayload
from esper._generated.run import EpochCompletedPayload, HostRejuvenatedPayload
from esper.kasmina.hosts.cnn import CNNHost
from esper.leyline.actions import Advance, Germinate, Rejuvenate
from esper.leyline.errors import UsageError
from esper.nissa.hub import Hub
from esper.nissa.sinks.memory import MemorySink
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.task import Samples
from esper.tolaria.training import rejuvenation
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer

SMALL = tuple(
    Samples(inputs=part.inputs[:256], targets=part.targets[:256]) for part in DIGITS.load_samples()
)
TASK = replace(DIGITS, epochs=6, batch_size=64)


class Planned:
    """Returns the actions that are planned for an epoch, and keeps the signals."""

    def __init__(self, plan):
        self.plan, self.seen = plan, []

    def decide(self, signals):
        self.seen.append(signals)
        return self.plan.get(signals.epoch, [])

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def train(plan, task=TASK, **settings):
    """Train with a plan of actions; return the trainer, its policy and a sink with its events."""
    policy, memory = Planned(plan), MemorySink()
    with Hub("test") as hub:
        hub.attach(memory)
        trainer = Trainer(
            task, RunSettings(**settings), SMALL, policy=policy, channel=hub.channel(env_id=0)
        )
        trainer.fit()
    return trainer, policy, memory


def plant(slot_id="r0c0"):
    return [
        Germinate(slot_id=slot_id, blueprint_id="conv_light", blend_tempo_epochs=1),
        Advance(slot_id=slot_id),
        Advance(slot_id=slot_id, on_credit=True),
    ]


def test_weights_are_mixed_with_those_of_a_fresh_host_and_norm_statistics_measured_again():
    trainer, _, _ = train({2: plant()}, epochs=3)
    before = copy.deepcopy(dict(trainer.model.named_parameters()))
    random_state = torch.get_rng_state()

    trainer._rejuvenator.act(Rejuvenate(shrink=0.5, perturb=0.25, trial_share=0.0), 2)

    assert torch.equal(torch.get_rng_state(), random_state)
    torch.manual_seed(trainer._rejuvenator._stream(2))
    fresh = dict(TASK.build_host().named_parameters())
    for name, parameter in trainer.model.named_parameters():
        if name in fresh:
            torch.testing.assert_close(parameter, 0.5 * before[name] + 0.25 * fresh[name])
        else:
            assert not torch.equal(parameter, before[name])
        assert parameter not in trainer._optimizer.state
    norm = trainer.model.blocks[0][1]
    assert norm.num_batches_tracked == 20
    with torch.no_grad():
        features = trainer.model.blocks[0][0](SMALL[0].inputs)
    torch.testing.assert_close(norm.running_mean, features.mean(dim=(0, 2, 3)), rtol=0.1, atol=0.01)


def test_seeds_keep_their_weights_if_the_host_alone_is_rejuvenated():
    trainer, _, _ = train({2: plant()}, epochs=3)
    before = [one.detach().clone() for one in trainer.slots["r0c0"].seed_parameters()]

    trainer._rejuvenator.act(Rejuvenate(trial_share=0.0, includes_seeds=False), 2)

    assert all(map(torch.equal, before, trainer.slots["r0c0"].seed_parameters()))


@pytest.mark.parametrize("tolerance", [-100.0, 100.0], ids=["refused", "kept"])
def test_the_trial_goes_on_from_the_better_copy_and_its_epochs_belong_to_the_plan(
    monkeypatch, tolerance
):
    monkeypatch.setattr(rejuvenation, "TOLERANCE", abs(tolerance))
    monkeypatch.setattr(rejuvenation, "has_caught_up", lambda evidence: tolerance > 0.0)

    trainer, policy, memory = train({3: [*plant(), Rejuvenate(trial_share=0.5)]})

    (event,) = memory.of(HostRejuvenatedPayload)
    assert event.is_kept is (tolerance > 0.0)
    assert event.evidence.num_steps == 2 * 4
    assert event.evidence.num_samples == len(SMALL[1])
    assert event.evidence.low <= event.evidence.difference <= event.evidence.high
    # 3 of 6 epochs were left, and the trial took 2 of them, with both copies.
    assert len(memory.of(EpochCompletedPayload)) == 4
    assert [signals.epoch for signals in policy.seen] == [1, 2, 3, 6]
    assert trainer.epochs_completed == 6
    host, grown = trainer.num_host_params, trainer.num_params
    assert event.evidence.num_updates == 2 * 8 * grown
    assert trainer.cost.num_updates == 3 * 4 * host + 2 * 8 * grown + 4 * grown
    assert policy.seen[-1].restarted_after == (3 if event.is_kept else 0)
    # The amplitude of the seed has risen to 1 in the module too.
    assert trainer.slots["r0c0"].alpha == float(trainer.slots["r0c0"]._alpha) == 1.0


def test_a_trial_refuses_what_only_forgets():
    """In the one epoch that it gets, a host that starts from almost nothing cannot catch up with one that has learned."""
    task = replace(TASK, batch_size=16)

    _, _, memory = train({10: [Rejuvenate(shrink=0.05, trial_share=0.5)]}, task, epochs=12)

    (event,) = memory.of(HostRejuvenatedPayload)
    assert event.evidence.high < -event.evidence.tolerance < 0.0
    assert not event.is_kept


def test_both_copies_see_the_same_batches_and_random_numbers(monkeypatch):
    """Without any change of the weights, both copies are equal, bit for bit."""
    monkeypatch.setattr(rejuvenation.Rejuvenator, "_renew", lambda *_: None)
    task = replace(TASK, build_host=lambda: nn.Sequential(nn.Dropout(0.3), DIGITS.build_host()))

    _, _, memory = train({1: [Rejuvenate()]}, task, epochs=2)

    (event,) = memory.of(HostRejuvenatedPayload)
    # The rate starts again at its base, which after one epoch it has not left.
    assert event.evidence.loss_with == event.evidence.loss_without


def test_the_governor_does_not_roll_back_to_the_network_as_it_was():
    plan = {3: [Rejuvenate(trial_share=0.0)], 5: [Rejuvenate(trial_share=0.0)]}

    trainer, _, memory = train(plan, epochs=8)

    assert memory.of(GovernorRollbackPayload) == []
    assert len(memory.of(HostRejuvenatedPayload)) == 2
    assert trainer.validate().loss < TASK.random_guess_loss


def test_the_learning_rate_starts_again_and_a_resumed_run_goes_on_with_it():
    plan = {1: [Rejuvenate(trial_share=0.2)], 3: [Rejuvenate(trial_share=0.0)]}
    whole, _, memory = train(plan)
    rates = [event.learning_rate for event in memory.of(EpochCompletedPayload)]
    first = Trainer(TASK, RunSettings(), SMALL, policy=Planned(plan))
    states = []
    first.fit(lambda: states.append(copy.deepcopy(first.state_dict())))
    resumed = Trainer(TASK, RunSettings(), SMALL, policy=Planned({}))
    resumed.load_state_dict(states[1])

    resumed.fit()

    assert [state["epochs_completed"] for state in states] == [2, 3, 4, 5, 6]
    assert rates[2] == TASK.host_learning_rate > rates[1]
    assert resumed.cost.num_updates == whole.cost.num_updates
    assert all(map(torch.equal, whole.model.parameters(), resumed.model.parameters()))


def test_a_task_that_builds_another_host_each_time_is_refused():
    widths = itertools.count(3)
    task = replace(
        TASK,
        build_host=lambda: CNNHost(in_channels=1, base_channels=next(widths), num_blocks=2),
    )

    with pytest.raises(UsageError, match="must build the same parameters each time to rejuvenate"):
        train({1: [Rejuvenate(trial_share=0.0)]}, task, epochs=2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shrink": 1.1}, r"shrink must be in \[0, 1\], got 1.1"),
        ({"perturb": "x"}, "perturb must be a number, got 'x'"),
        ({"trial_share": -0.1}, r"trial_share must be in \[0, 1\], got -0.1"),
        ({"includes_seeds": 1}, "includes_seeds must be of type bool, got 1"),
    ],
)
def test_factors_out_of_range_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Rejuvenate(**fields)


def test_frozen_weights_are_not_rejuvenated():
    def build_host():
        host = DIGITS.build_host()
        host.blocks[0][0].requires_grad_(False)
        return host

    trainer, _, memory = train({2: [Rejuvenate()]}, replace(TASK, build_host=build_host), epochs=3)
    torch.manual_seed(0)

    assert memory.of(HostRejuvenatedPayload)
    assert torch.equal(trainer.model.blocks[0][0].weight, build_host().blocks[0][0].weight)


@pytest.mark.parametrize("trial_share", [0.0, 0.1])
def test_nothing_is_rejuvenated_after_the_last_epoch(trial_share, caplog):
    trainer, _, memory = train({2: [Rejuvenate(trial_share=trial_share)]}, epochs=2)
    alone, _, _ = train({}, epochs=2)

    assert not memory.of(HostRejuvenatedPayload)
    assert "after the last epoch" in caplog.text
    for one, other in zip(trainer.model.parameters(), alone.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_two_rejuvenations_at_a_time_are_refused():
    with pytest.raises(
        UsageError, match="one Rejuvenate at a time, got 2 from Planned after epoch 1"
    ):
        train({1: [Rejuvenate(), Rejuvenate(trial_share=0.0)]}, epochs=2)
