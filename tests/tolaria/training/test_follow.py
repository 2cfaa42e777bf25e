"""An optimizer and its schedulers stay in step with the seeds of a network."""

import copy
import io
import pickle
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from torch import nn, optim
from torch.optim import lr_scheduler as schedules
from torch.optim.swa_utils import SWALR

import esper
from esper import SeedStage, follow
from esper.kasmina.slot import SeedSlot
from tests.kasmina.lives import PERMISSIVE, lead_to
from tests.tolaria.training.followed import (
    OPTIMIZERS,
    SCHEDULERS,
    advance,
    backward,
    finish,
    network,
    step,
)


def names(optimizer):
    return [group.get("name") for group in optimizer.param_groups]


def rates(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


def weights(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def train(model, optimizer, scheduler, num_steps):
    """Yield the rates after each step."""
    for _ in range(num_steps):
        step(model, optimizer)
        advance(scheduler)
        yield rates(optimizer)


@pytest.mark.parametrize("scheduler_name", SCHEDULERS)
@pytest.mark.parametrize("optimizer_name", OPTIMIZERS)
def test_every_optimizer_with_every_scheduler_follows_a_seed(optimizer_name, scheduler_name):
    build, schedule = OPTIMIZERS[optimizer_name], SCHEDULERS[scheduler_name]
    alone, model = network(), network()
    lone = build(list(alone.parameters()))
    optimizer = build(list(model.parameters()))
    expected = [host for host, in train(alone, lone, schedule(lone), 10)]
    scheduler = schedule(optimizer)
    follow(optimizer, scheduler, model, options={"lr": 0.02})

    got = list(train(model, optimizer, scheduler, 3))
    model[1].germinate("lora")
    model[1].advance_stage()
    born = weights(model[1])
    got += train(model, optimizer, scheduler, 4)
    learned = weights(model[1])
    model[1].prune()
    got += train(model, optimizer, scheduler, 3)

    assert [len(one) for one in got] == [1] * 3 + [2] * 4 + [1] * 3
    assert [one[0] for one in got] == pytest.approx(expected, rel=1e-6)
    # The rates of a seed are set before a step, so they are those of the scheduler's step before.
    for previous, now in pairwise(got[3:7]):
        assert now[1] == pytest.approx(previous[0] / 0.1 * 0.02, rel=1e-6)
    # The second matrix starts at zero, so the first one's gradients are tiny.
    assert not torch.equal(born[-1], learned[-1])
    assert len(optimizer.state) <= 2
    for trained, reference in zip(model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(trained, reference)


def test_a_seed_follows_the_rate_of_the_host_exactly_without_a_base_of_its_own():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    scheduler = schedules.CosineAnnealingLR(optimizer, 7)
    follow(optimizer, scheduler, model)
    model[1].germinate("lora")

    for _ in range(5):
        step(model, optimizer)
        assert len(set(rates(optimizer))) == 1
        scheduler.step()


def test_the_seed_has_its_own_settings_and_else_those_of_the_first_host_group():
    model = network()
    optimizer = optim.AdamW(
        [
            {"params": model[0].parameters(), "weight_decay": 0.3},
            {"params": model[2].parameters(), "weight_decay": 0.0},
        ]
    )
    follow(optimizer, None, model, options={"eps": 1e-5})
    model[1].germinate("lora")
    step(model, optimizer)

    seed = optimizer.param_groups[2]
    assert (seed["weight_decay"], seed["eps"]) == (0.3, 1e-5)


def test_momentum_follows_the_cycle():
    model = network()
    optimizer = optim.AdamW(model.parameters(), lr=0.1)
    scheduler = schedules.OneCycleLR(optimizer, 0.1, 10)
    follow(optimizer, scheduler, model)
    model[1].germinate("lora")
    for _ in range(3):
        step(model, optimizer)
        assert optimizer.param_groups[0]["betas"] == optimizer.param_groups[1]["betas"]
        scheduler.step()


def test_a_rate_that_the_user_sets_reaches_the_seeds():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    follow(optimizer, None, model, options={"lr": 0.02})
    model[1].germinate("lora")

    optimizer.param_groups[0]["lr"] = 0.05
    step(model, optimizer)

    assert rates(optimizer) == pytest.approx([0.05, 0.01])


def test_the_groups_are_in_the_order_of_the_slots_after_those_of_the_host():
    model = network(num_slots=2)
    optimizer = optim.SGD(
        [{"params": model[0].parameters(), "name": "first"}, {"params": model[2].parameters()}],
        lr=0.1,
    )
    follower = follow(optimizer, None, model)
    model[3].germinate("lora", "late")
    step(model, optimizer)
    model[1].germinate("lora", "early")
    step(model, optimizer)

    assert names(optimizer) == ["first", None, "slot:1:early", "slot:3:late"]
    assert follower.slots == {"1": model[1], "3": model[3]}


def test_a_fossil_keeps_its_group_and_its_momentum():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    follow(optimizer, None, model)
    model[1].germinate("lora")
    model[1].advance_stage()
    step(model, optimizer)
    step(model, optimizer)
    seed = list(model[1].seed_parameters())
    before = [optimizer.state[one]["momentum_buffer"] for one in seed]

    finish(model[1])
    step(model, optimizer)

    assert model[1].stage is SeedStage.FOSSILIZED
    assert len(optimizer.param_groups) == 2
    assert all(
        optimizer.state[one]["momentum_buffer"] is buffer
        for one, buffer in zip(seed, before, strict=True)
    )


def test_a_seed_planted_again_under_its_name_starts_without_state():
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    follow(optimizer, None, model)
    for _ in range(2):
        model[1].germinate("lora")
        model[1].advance_stage()
        step(model, optimizer)
        step(model, optimizer)
        steps = [int(optimizer.state[one]["step"]) for one in model[1].seed_parameters()]
        model[1].prune()
        while not model[1].is_empty:
            model[1].step_epoch()

    # The seed sits out the step that finds it.
    assert steps == [1, 1]


def test_a_gate_that_is_added_later_is_trained_too():
    slot = SeedSlot("s", 4, topology="transformer", gates=PERMISSIVE)
    model = nn.Sequential(nn.Linear(4, 4), slot)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    follow(optimizer, None, model)
    lead_to(slot, SeedStage.HOLDING)
    step(model, optimizer)
    before = dict(optimizer.state)

    slot.set_alpha_target(
        alpha_target=0.5, steps=3, alpha_algorithm=esper.telemetry.AlphaAlgorithm.GATE
    )
    step(model, optimizer)

    assert {id(one) for one in optimizer.param_groups[1]["params"]} == {
        id(one) for one in slot.seed_parameters()
    }
    assert all(optimizer.state[key] is value for key, value in before.items())


def test_seeds_that_the_optimizer_trains_already_stay_until_they_are_pruned():
    model = network()
    model[1].germinate("lora")
    optimizer = optim.Adam(model.named_parameters(), lr=0.1)
    follow(optimizer, None, model)
    model[1].advance_stage()
    step(model, optimizer)
    assert len(optimizer.param_groups) == 1

    model[1].prune()
    step(model, optimizer)

    assert optimizer.param_groups[0]["param_names"] == ["0.weight", "2.weight"]
    assert len(optimizer.param_groups[0]["params"]) == len(optimizer.state) == 2


def test_names_of_parameters_are_kept():
    model = network()
    optimizer = optim.Adam(model.named_parameters(), lr=0.1)
    follow(optimizer, None, model)
    model[1].germinate("lora")
    step(model, optimizer)

    assert optimizer.param_groups[1]["param_names"] == [
        name for name, _ in model.named_parameters() if name.startswith("1.")
    ]


def test_two_optimizers_share_the_seeds():
    model = network()
    muon = optim.Muon(model.parameters())
    adamw = optim.AdamW([nn.Parameter(torch.zeros(1))])
    follow(muon, None, model, accepts=lambda parameter: parameter.ndim == 2)
    follow(adamw, None, model, accepts=lambda parameter: parameter.ndim != 2)
    model[1].germinate("mlp_small")
    model[1].advance_stage()
    for _ in range(2):
        backward(model, muon)
        muon.step()
        adamw.step()
        adamw.zero_grad()

    assert [one.ndim for one in muon.param_groups[1]["params"]] == [2, 2]
    assert [one.ndim for one in adamw.param_groups[1]["params"]] == [1, 1]


def test_muon_alone_refuses_a_seed_with_a_bias():
    model = network()
    optimizer = optim.Muon(model.parameters())
    follow(optimizer, None, model)
    model[1].germinate("mlp_small")

    with pytest.raises(esper.SlotError, match=r"Muon trains matrices alone, got '1\.seed"):
        step(model, optimizer)


class SparseSeed(nn.Module):
    """Adds one row of a table to the features, whose gradient is sparse."""

    def __init__(self, channels):
        super().__init__()
        self.table = nn.Embedding(1, channels, sparse=True)

    def forward(self, features):
        return features + self.table(torch.zeros(features.shape[:2], dtype=torch.long))


def test_sparse_adam_follows_seeds_with_sparse_gradients_and_refuses_others():
    from esper.kasmina.blueprints.registry import blueprint_ids

    if "sparse_row" not in blueprint_ids("transformer"):
        esper.register_blueprint("transformer", "sparse_row", SparseSeed)
    table = nn.Embedding(5, 4, sparse=True)
    slot = SeedSlot("s", 4, topology="transformer")
    model = nn.Sequential(table, slot)
    optimizer = optim.SparseAdam(model.parameters())
    follow(optimizer, None, model)
    slot.germinate("sparse_row")
    slot.advance_stage()

    def train_step():
        optimizer.zero_grad()
        model(torch.tensor([[1, 2]])).sum().backward()
        optimizer.step()

    before = weights(slot)
    train_step()
    train_step()
    assert not torch.equal(before[0], weights(slot)[0])

    slot.prune()
    while not slot.is_empty:
        slot.step_epoch()
    slot.germinate("lora")
    slot.advance_stage()
    train_step()
    with pytest.raises(esper.SlotError, match="SparseAdam trains parameters with sparse gradients"):
        train_step()


def test_a_seed_that_a_grad_scaler_did_not_know_sits_out_its_first_step():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    follow(optimizer, None, model)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20)
    model[1].germinate("lora")
    model[1].advance_stage()
    born, moved = weights(model[1])[-1], []
    for _ in range(2):
        optimizer.zero_grad()
        scaler.scale(model(torch.ones(1, 3, 4)).square().mean()).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        moved.append(float((weights(model[1])[-1] - born).abs().max()))

    assert moved[0] == 0.0
    assert 0.0 < moved[1] < 1.0


def test_a_scheduler_that_is_built_later_does_not_see_the_seeds():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    follower = follow(optimizer, None, model)
    model[1].germinate("lora")
    step(model, optimizer)

    scheduler = follower.add_scheduler(lambda one: SWALR(one, 0.05, anneal_epochs=2))
    model[1].prune()
    for _ in range(4):
        step(model, optimizer)
        scheduler.step()

    assert rates(optimizer) == [0.05]


def test_pruning_and_planting_a_thousand_times_leaves_nothing():
    code = """
import resource, torch
from tests.tolaria.training.followed import network, step
from esper import follow
model = network()
optimizer = torch.optim.AdamW(model.parameters())
scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 5)
follow(optimizer, scheduler, model)
memory = []
for life in range(1000):
    model[1].germinate("lora_large")
    model[1].advance_stage()
    step(model, optimizer); step(model, optimizer)
    assert len(optimizer.param_groups) == 2 and len(optimizer.state) == 4
    model[1].prune()
    step(model, optimizer); scheduler.step()
    assert len(optimizer.param_groups) == 1 and len(optimizer.state) == 2
    while not model[1].is_empty:
        model[1].step_epoch()
    if life in (100, 999):
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(memory[1] / memory[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert float(done.stdout) < 1.03


@pytest.mark.parametrize("through", ["follower", "optimizer"])
@pytest.mark.parametrize("optimizer_name", ["SGD-momentum", "AdamW-tensor-lr", "Adagrad", "RAdam"])
def test_a_run_is_resumed_bit_for_bit(through, optimizer_name):
    def build():
        model = network(num_slots=2)
        optimizer = OPTIMIZERS[optimizer_name](list(model.parameters()))
        scheduler = schedules.CosineAnnealingWarmRestarts(optimizer, 4)
        return model, optimizer, scheduler, follow(optimizer, scheduler, model)

    model, optimizer, scheduler, follower = build()
    for slot in (model[3], model[1]):
        slot.germinate("lora")
        slot.advance_stage()
        list(train(model, optimizer, scheduler, 3))
    saved = io.BytesIO()
    part = {"follower": follower, "optimizer": optimizer}[through]
    torch.save([model.state_dict(), part.state_dict(), scheduler.state_dict()], saved)
    list(train(model, optimizer, scheduler, 3))

    again, *parts = build()
    model_state, state, scheduler_state = torch.load(io.BytesIO(saved.getvalue()))
    again.load_state_dict(model_state)
    parts[2].update()
    (parts[2] if through == "follower" else parts[0]).load_state_dict(state)
    parts[1].load_state_dict(scheduler_state)
    list(train(again, parts[0], parts[1], 3))

    assert all(map(torch.equal, model.parameters(), again.parameters()))
    assert rates(optimizer) == rates(parts[0])


def test_the_state_of_other_groups_is_refused():
    model = network()
    follower = follow(optim.SGD(model.parameters(), lr=0.1), None, model)
    state = follower.state_dict()
    model[1].germinate("lora")

    with pytest.raises(esper.CheckpointError, match="must have the groups of this one, got group0"):
        follower.load_state_dict(state)


def test_a_rollback_restores_scheduler_and_optimizer_and_the_groups_follow():
    model = network(num_slots=2)
    optimizer = optim.AdamW(model.parameters(), lr=0.1)
    scheduler = schedules.CosineAnnealingWarmRestarts(optimizer, 4)
    follow(optimizer, scheduler, model)
    governor = esper.TolariaGovernor(
        model,
        optimizers=[optimizer],
        companions={"scheduler": scheduler},
        config=esper.GovernorConfig(optimizer_state="restore"),
    )
    model[1].germinate("lora")
    model[1].advance_stage()
    list(train(model, optimizer, scheduler, 2))
    finish(model[1])
    list(train(model, optimizer, scheduler, 1))
    governor.snapshot()
    saved, moments = weights(model), copy.deepcopy(optimizer.state[model[0].weight])
    saved_rates = rates(optimizer)
    model[3].germinate("lora")
    model[3].advance_stage()
    list(train(model, optimizer, scheduler, 2))

    governor.execute_rollback()

    assert all(map(torch.equal, model.parameters(), saved))
    assert torch.equal(optimizer.state[model[0].weight]["exp_avg"], moments["exp_avg"])
    assert scheduler.last_epoch == 3
    assert rates(optimizer)[0] == saved_rates[0]
    step(model, optimizer)
    assert names(optimizer) == [None, "slot:1:s0-lora"]
    assert len(optimizer.state) == 5


def test_followed_schedulers_can_be_copied_and_pickled():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    scheduler = schedules.StepLR(optimizer, 1)
    follow(optimizer, scheduler, model)

    for scheduler_copy in (copy.deepcopy(scheduler), pickle.loads(pickle.dumps(scheduler))):
        assert scheduler_copy.get_last_lr() == [0.1]


def test_a_copy_of_everything_goes_on_alone():
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    follower = follow(optimizer, None, model)
    model[1].germinate("lora")
    step(model, optimizer)

    copied, copied_follower = copy.deepcopy((model, follower))
    copied[1].prune()
    step(copied, copied_follower.optimizer)

    assert (len(optimizer.param_groups), len(copied_follower.optimizer.param_groups)) == (2, 1)
    assert len(copied_follower.optimizer.state) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "adam"}, "an optimizer to follow must be of type Optimizer"),
        (
            {"optimizer": optim.LBFGS([nn.Parameter(torch.zeros(1))])},
            "must take several parameter groups, got LBFGS, which takes one; train the seeds with another",
        ),
        ({"slots": 3}, "slots to follow must be a model or slots, got 3"),
        ({"slots": [3]}, "a slot to follow must be of type SeedSlot"),
        ({"options": {"rate": 1}}, "options must be settings of SGD, got rate; it has: lr"),
        ({"accepts": 3}, "accepts must be"),
        ({"scheduler": [3]}, "a scheduler to follow must be of type LRScheduler"),
        (
            {"scheduler": schedules.StepLR(optim.SGD([nn.Parameter(torch.zeros(1))]), 1)},
            "must be one of the optimizer to follow, got a StepLR of another",
        ),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    model = network()
    usable = {
        "optimizer": optim.SGD(model.parameters()),
        "scheduler": None,
        "slots": model,
    }

    with pytest.raises(ValueError, match=message):
        follow(**usable | arguments)


def test_a_cycle_from_zero_has_no_base_for_a_seed_of_its_own():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = schedules.CyclicLR(optimizer, 0.0, 0.4, 3)

    with pytest.raises(ValueError, match="need a host's base rate above 0"):
        follow(optimizer, scheduler, model, options={"lr": 0.1})


@pytest.mark.parametrize("shape", ["slot", "list", "mapping"])
def test_slots_can_be_given_in_several_forms(shape):
    model = network()
    slots = {"slot": model[1], "list": [model[1]], "mapping": {"s0": model[1]}}[shape]
    optimizer = optim.SGD(model.parameters())
    follower = follow(optimizer, None, slots)
    model[1].germinate("lora")
    follower.update()

    assert names(optimizer) == [None, "slot:s0:s0-lora"]


def test_two_followers_of_one_optimizer_leave_each_others_groups_alone():
    first, second = network(), network()
    optimizer = optim.SGD([*first.parameters(), *second.parameters()], lr=0.1, momentum=0.9)
    follow(optimizer, None, first, options={"lr": 0.02})
    follow(optimizer, None, second, options={"lr": 0.03})
    for model in (first, second):
        # Both groups have the same name.
        model[1].germinate("lora")
        model[1].advance_stage()
    for model in (first, second, first):
        step(model, optimizer)

    def trained():
        return {one: group["lr"] for group in optimizer.param_groups[1:] for one in group["params"]}

    assert trained() == {
        **dict.fromkeys(first[1].parameters(), 0.02),
        **dict.fromkeys(second[1].parameters(), 0.03),
    }

    first[1].prune()
    step(second, optimizer)
    assert trained() == dict.fromkeys(second[1].parameters(), 0.03)
