"""A seed lives its whole life in networks of other packages, and what has grown is saved, loaded and rolled back there."""

import copy
import json

import pytest
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from esper import (
    SeedStage,
    TolariaGovernor,
    capture_gradient_health,
    describe,
    find_slots,
    follow,
    rebuild,
    ungraft,
)
from tests.hosts.lives import blend, build, fossilise, grafted, grown, output, plant
from tests.hosts.networks import HOSTS, Host

STEPS = 3


@pytest.fixture(params=HOSTS.values(), ids=HOSTS, scope="module")
def host(request) -> Host:
    return request.param


def train(host: Host, model: nn.Module, *, seeds: bool, steps: int = STEPS) -> Tensor:
    """Train with dropout and return the last output; seeds learn if they are planted at the first step."""
    torch.manual_seed(1)
    model.train()
    trained = [p for n, p in model.named_parameters() if p.requires_grad and "seed_slot" not in n]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    if seeds:
        follow(optimizer, None, model)
    for step in range(steps):
        # Different numbers are drawn in each step, and the same ones whether seeds are planted or not.
        if step == 1 and seeds:
            plant(host, find_slots(model))
        logits = host.output(model(**host.inputs))
        optimizer.zero_grad()
        logits.square().mean().backward()
        for slot in find_slots(model).values():
            capture_gradient_health(slot, trained, epoch=1)
        optimizer.step()
    return logits.detach()


def same(one: nn.Module, other: nn.Module) -> bool:
    """Return whether the host's entries in two states are equal to the bit."""
    states = [
        {k: v for k, v in m.state_dict().items() if "seed_slot" not in k} for m in (one, other)
    ]
    assert states[0].keys() == states[1].keys()
    return all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_the_layouts_are_those_of_the_features(host):
    slots = grafted(host, build(host))

    assert {path: slot.layout.name for path, slot in slots.items()} == host.slots


def test_training_with_seeds_is_that_of_the_host_to_the_bit(host):
    alone, model = build(host), build(host)
    keys = list(alone.state_dict())
    grafted(host, model)
    assert [key for key in model.state_dict() if "seed_slot" not in key] == keys

    expected, seen = train(host, alone, seeds=False), train(host, model, seeds=True)

    assert torch.equal(seen, expected)
    assert same(model, alone)
    assert all(slot.stage is SeedStage.TRAINING for slot in find_slots(model).values())


def test_seeds_change_the_output_when_they_blend_and_the_network_still_learns(host):
    model = build(host)
    alone = output(host, model)
    slots = grafted(host, model)
    plant(host, slots)
    assert torch.equal(output(host, model), alone)

    blend(slots)
    half = output(host, model)
    assert not torch.allclose(half, alone, atol=1e-4)
    train(host, model, seeds=False)
    fossilise(slots)
    full = output(host, model)
    assert not torch.allclose(full, half, atol=1e-4)
    for slot in slots.values():
        with slot.force_alpha(0.0):
            assert not torch.equal(output(host, model), full)


def test_a_pruned_seed_leaves_the_host_as_it_was(host):
    alone, model = build(host), build(host)
    slots = grafted(host, model)
    plant(host, slots)
    blend(slots)

    for slot in slots.values():
        slot.prune("test")

    assert torch.equal(output(host, model), output(host, alone))
    ungraft(model)
    assert list(model.state_dict()) == list(alone.state_dict())
    assert [type(m).__name__ for m in model.modules()] == [
        type(m).__name__ for m in alone.modules()
    ]


@pytest.mark.parametrize("stage", [None, SeedStage.TRAINING, SeedStage.FOSSILIZED])
def test_weights_and_seeds_survive_safetensors(host, stage, tmp_path):
    model = grown(host) if stage is SeedStage.FOSSILIZED else build(host)
    if stage is not SeedStage.FOSSILIZED:
        slots = grafted(host, model)
        if stage is not None:
            plant(host, slots)
    expected = output(host, model)

    save_model(model, str(tmp_path / "grown.safetensors"))
    torch.manual_seed(5)
    loaded = host.build()
    grafted(host, loaded)
    load_model(loaded, str(tmp_path / "grown.safetensors"))

    assert torch.equal(output(host, loaded), expected)
    stages = {slot.stage for slot in find_slots(loaded).values()}
    assert stages == {stage or SeedStage.DORMANT}


def test_what_has_grown_is_loaded_without_slots(host, tmp_path):
    model = grown(host)
    expected = output(host, model)
    twin = copy.deepcopy(model)

    ungraft(model)
    assert find_slots(model) == {}
    assert torch.equal(output(host, model), expected)
    assert torch.equal(output(host, twin), expected)
    description = json.dumps(describe(model))
    save_model(model, str(tmp_path / "grown.safetensors"))
    torch.manual_seed(5)
    loaded = rebuild(host.build(), json.loads(description))
    load_model(loaded, str(tmp_path / "grown.safetensors"))

    assert torch.equal(output(host, loaded), expected)


def test_a_grown_network_grows_again(host):
    model = grown(host)
    before = output(host, model)
    ungraft(model)

    slots = grafted(host, model)
    assert torch.equal(output(host, model), before)
    plant(host, slots, seed=2)
    assert torch.equal(output(host, model), before)
    blend(slots)
    assert not torch.allclose(output(host, model), before, atol=1e-4)


def test_a_governor_restores_the_host_and_prunes_the_seeds(host):
    model = build(host)
    slots = grafted(host, model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    follow(optimizer, None, model)
    governor = TolariaGovernor(model, optimizers=[optimizer])
    torch.manual_seed(1)
    model.train()

    def step(damage: bool = False):
        loss = host.output(model(**host.inputs)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        verdict = governor.before_step(loss * torch.nan if damage else loss)
        if verdict.may_step:
            optimizer.step()
        governor.after_step()
        return verdict

    for _ in range(3):
        step()
    plant(host, slots)
    governor.expect_shift()
    blend(slots)
    for _ in range(2):
        step()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)

    verdict = step(damage=True)

    assert verdict.needs_rollback
    assert all(slot.seed is None for slot in slots.values())
    assert all(p.isfinite().all() for p in model.parameters())
    assert output(host, model).isfinite().all()
    model.train()
    assert step().may_step
