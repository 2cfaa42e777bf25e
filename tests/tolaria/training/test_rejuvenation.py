"""Rejuvenation mixes weights with fresh ones, is decided by a paired trial, and never makes the governor roll back."""

import copy
import io
import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

from esper._generated.enums import RunOutcome
from esper._generated.governor import GovernorRollbackPayload, GovernorStepSkippedPayload
from esper._generated.run import EpochCompletedPayload, HostRejuvenatedPayload
from esper.kasmina.hosts.cnn import CNNHost
from esper.leyline.actions import Advance, Germinate, Rejuvenate
from esper.leyline.errors import UsageError
from esper.nissa.hub import Hub
from esper.nissa.sinks.memory import MemorySink
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.task import Samples
from esper.tolaria.training import rejuvenation
from esper.tolaria.training import trainer as trainer_module
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


@pytest.mark.parametrize("is_good", [False, True], ids=["refused", "kept"])
def test_the_trial_goes_on_from_the_better_copy_and_its_epochs_are_those_of_the_plan(
    monkeypatch, is_good
):
    monkeypatch.setattr(rejuvenation, "has_caught_up", lambda evidence: is_good)

    trainer, policy, memory = train({3: [*plant(), Rejuvenate(trial_share=0.5)]})

    (event,) = memory.of(HostRejuvenatedPayload)
    assert event.is_kept is is_good
    assert event.after_epoch == 3
    assert event.evidence.num_steps == 2 * 4
    assert event.evidence.num_samples == len(SMALL[1])
    assert event.evidence.low <= event.evidence.difference <= event.evidence.high
    # 3 of 6 epochs were left, and the trial took 2 of them, with both copies.
    assert [envelope.epoch for envelope, one in memory.events if one is event] == [5]
    assert len(memory.of(EpochCompletedPayload)) == 6
    assert [signals.epoch for signals in policy.seen] == [1, 2, 3, 6]
    host, grown = trainer.num_host_params, trainer.num_params
    assert event.evidence.num_updates == 2 * 8 * grown
    assert trainer.cost.num_updates == 3 * 4 * host + 2 * 8 * grown + 4 * grown
    assert policy.seen[-1].restarted_after == (3 if is_good else 0)
    # The amplitude of the seed has risen to 1 in the module too.
    assert trainer.slots["r0c0"].alpha == float(trainer.slots["r0c0"]._alpha) == 1.0


def test_a_refused_trial_goes_on_as_if_there_had_been_none(monkeypatch):
    monkeypatch.setattr(rejuvenation, "has_caught_up", lambda evidence: False)
    # In the epoch after planting, a reference runs the seed at full amplitude.
    tried, _, _ = train({2: plant(), 3: [Rejuvenate(trial_share=0.5)]})
    alone, _, _ = train({2: plant()})

    assert all(map(torch.equal, tried.model.parameters(), alone.model.parameters()))


def test_a_reference_that_breaks_is_replaced_by_the_network_before_the_trial(monkeypatch):
    monkeypatch.setattr(rejuvenation, "has_caught_up", lambda evidence: False)
    train_reference = rejuvenation.Rejuvenator._train_reference
    before = []

    def wreck(self, epochs):
        before.extend(one.detach().clone() for one in self._model.parameters())
        monkeypatch.setattr(self, "_learning_rate", lambda epoch: 1e3)
        return train_reference(self, epochs)

    monkeypatch.setattr(rejuvenation.Rejuvenator, "_train_reference", wreck)
    # The trial takes all epochs that are left.
    trainer, _, memory = train({3: [Rejuvenate(trial_share=1.0)]})

    assert not memory.of(HostRejuvenatedPayload)[0].is_kept
    assert all(map(torch.equal, trainer.model.parameters(), before))


@pytest.mark.parametrize("step", [1, 7], ids=["at its first step", "within it"])
def test_a_trial_heeds_a_request_to_stop_and_is_repeated_to_the_bit(step):
    plan = {3: [*plant(), Rejuvenate(trial_share=0.5)]}
    whole, _, memory = train(plan)
    (event,) = memory.of(HostRejuvenatedPayload)
    asked, states = itertools.count(1), []
    first = Trainer(
        TASK,
        RunSettings(),
        SMALL,
        policy=Planned(plan),
        should_stop=lambda: next(asked) >= 3 * 4 + step,
    )
    at_trial = []
    act = first._rejuvenator.act

    def observed(action, epoch):
        at_trial.append(everything(first))
        act(action, epoch)

    first._rejuvenator.act = observed

    outcome = first.fit(lambda: states.append(copy.deepcopy(first.state_dict())))

    assert outcome is RunOutcome.INTERRUPTED
    assert next(asked) == 3 * 4 + step + 1
    assert everything(first) == at_trial[0]
    memory, resumed = resume(states[-1], plan)
    assert memory.of(HostRejuvenatedPayload)[0].evidence == event.evidence
    assert all(map(torch.equal, whole.model.parameters(), resumed.model.parameters()))
    assert resumed.cost.state_dict() == whole.cost.state_dict()


@pytest.mark.parametrize("is_good", [False, True], ids=["refused", "kept"])
def test_a_run_is_resumed_within_a_trial_to_the_bit(monkeypatch, is_good):
    monkeypatch.setattr(rejuvenation, "has_caught_up", lambda evidence: is_good)
    plan = {2: [*plant(), Rejuvenate(trial_share=0.5)]}
    states = []
    first = Trainer(TASK, RunSettings(), SMALL, policy=Planned(plan))
    first.fit(lambda: states.append(through_a_file(first.state_dict())))
    assert [state["trial"] is not None for state in states] == [False, True, True] + 3 * [False]

    for state in states[1:3]:
        memory, resumed = resume(state, plan)

        assert memory.of(HostRejuvenatedPayload)[0].is_kept is is_good
        assert everything(resumed) == everything(first)


@pytest.mark.parametrize("fault", ["nan@4", "spike@4"])
def test_faults_that_are_planned_in_the_epochs_of_a_trial_are_injected(fault):
    plan = {3: [Rejuvenate(trial_share=0.5)]}

    _, _, memory = train(plan, faults=(fault,))

    rates = [event.learning_rate for event in memory.of(EpochCompletedPayload)]
    assert (rates[3] > 1.0) is fault.startswith("spike")
    is_nan = fault.startswith("nan")
    governed = memory.of(GovernorStepSkippedPayload) + memory.of(GovernorRollbackPayload)
    assert governed or not is_nan
    assert len(memory.of(HostRejuvenatedPayload)) == 1


def everything(trainer):
    """Return a copy of all that training depends on, but for what is measured in seconds, as plain values."""
    state = trainer.state_dict()
    names = ("model", "optimizer", "random", "num_updates", "num_flops")
    return plain({name: state[name] for name in names})


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def through_a_file(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def resume(state, plan):
    memory = MemorySink()
    with Hub("test") as hub:
        hub.attach(memory)
        resumed = Trainer(
            TASK, RunSettings(), SMALL, policy=Planned(plan), channel=hub.channel(env_id=0)
        )
        resumed.load_state_dict(state)
        assert resumed.fit() is RunOutcome.COMPLETED
    return memory, resumed


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
    monkeypatch.setattr(trainer_module, "cosine_factor", lambda *_: 1.0)
    task = replace(TASK, build_host=lambda: nn.Sequential(nn.Dropout(0.3), DIGITS.build_host()))

    _, _, memory = train({1: [Rejuvenate(trial_share=0.5)]}, task, epochs=5)

    (event,) = memory.of(HostRejuvenatedPayload)
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
    resumed.load_state_dict(states[2])

    resumed.fit()

    assert [state["epochs_completed"] for state in states] == [1, 2, 3, 4, 5, 6]
    assert rates[3] == rates[1] == TASK.host_learning_rate > rates[2]
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
