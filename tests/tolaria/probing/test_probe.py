"""A probe runs under present and saved weights and leaves nothing behind."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from esper.leyline.errors import ProbeError
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.probing.probe import Probe, checked_probe
from esper.tolaria.snapshots.restore import RestorePlan
from tests.tolaria.networks import SlottedNet, scramble, store_for, take


def network():
    """Return a network with statistics and dropout, in training mode; inputs have shape (batch, 3)."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))


def state(model):
    """Return everything that a probe may not change."""
    return [
        {
            name: tensor.clone()
            for name, tensor in (*model.named_parameters(), *model.named_buffers())
        },
        [parameter._version for parameter in (*model.parameters(), *model.buffers())],
        [module.training for module in model.modules()],
        [id(parameter.grad) for parameter in model.parameters()],
        [parameter.requires_grad for parameter in model.parameters()],
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
        torch.is_grad_enabled(),
    ]


def assert_equal(first, second):
    assert first[0].keys() == second[0].keys()
    assert all(torch.equal(value, second[0][name]) for name, value in first[0].items())
    assert first[1:] == second[1:]


def plan_after_damage(model):
    """Take a snapshot of `model`, overwrite its weights, and return the plan to restore it."""
    store = store_for(model)
    snapshot = take(store)
    scramble(model)
    return RestorePlan(snapshot, store.inventory())


def test_nothing_is_left_behind_by_a_probe_that_changes_everything():
    model = network()
    plan = plan_after_damage(model)
    model(torch.randn(4, 3)).sum().backward()

    def probe(batch):
        random.random(), np.random.rand(), torch.rand(1)
        model.eval()
        model[1].train()
        with torch.enable_grad():
            losses = model(batch).square().sum(dim=1)
            losses.mean().backward()
        model[1].running_mean = torch.ones(8)
        model.requires_grad_(False)
        return losses

    before = state(model)
    Probe(probe, [model]).losses(torch.randn(4, 3, generator=torch.Generator()), plan)

    assert_equal(state(model), before)


@pytest.mark.parametrize(
    "change",
    [lambda weight: weight.clamp_(-0.1, 0.1), lambda weight: weight.data.zero_()],
    ids=["autograd", "data"],
)
def test_a_probe_that_changes_weights_is_refused_and_they_are_put_back(change):
    model = network()

    def probe(batch):
        losses = model(batch).square().sum(dim=1)
        change(model[0].weight)
        return losses

    before = state(model)
    with pytest.raises(
        ProbeError, match=r"must not change weights, got other values in 0\.weight,"
    ):
        Probe(probe, [model]).losses(torch.randn(4, 3, generator=torch.Generator()))

    assert_equal(state(model), before)


def test_a_probe_may_score_averaged_weights_and_put_the_others_back():
    model = network()

    def probe(batch):
        kept = model[0].weight.clone()
        model[0].weight.zero_()
        losses = model(batch).square().sum(dim=1)
        model[0].weight.copy_(kept)
        return losses

    before = state(model)
    Probe(probe, [model]).losses(torch.randn(4, 3, generator=torch.Generator()))

    assert_equal(state(model), before)


def test_a_probe_that_changes_weights_in_a_later_call_is_refused():
    model = network()
    calls = []

    def losses(batch):
        calls.append(batch)
        if len(calls) > 2:
            model[0].weight.clamp_(-0.1, 0.1)
        return model(batch).square().sum(dim=1)

    probe = Probe(losses, [model])
    probe.losses(torch.zeros(4, 3))

    with pytest.raises(ProbeError, match=r"wrote to weight, which it did not do in its first call"):
        probe.losses(torch.zeros(4, 3))


def test_weights_that_a_forward_pass_itself_renormalises_are_put_back():
    model = nn.Embedding(4, 2, max_norm=1.0)
    nn.init.constant_(model.weight, 3.0)
    probe = Probe(lambda batch: model(batch).sum(dim=1), [model])
    model(torch.tensor([0, 1]))
    before = state(model)

    probe.losses(torch.tensor([0, 1]))
    probe.losses(torch.tensor([2, 3]))

    assert_equal(state(model), before)


def test_numbers_of_numpy_are_losses():
    assert Probe(lambda batch: np.float32(batch), []).losses(1.5)[0].item() == 1.5


def test_the_snapshot_is_scored_with_its_own_weights_and_the_same_random_numbers():
    model = network()
    batch = torch.randn(16, 3)
    torch.manual_seed(1)
    expected = model(batch).square().sum(dim=1)
    model = network()
    plan = plan_after_damage(model)

    torch.manual_seed(1)
    present, saved = Probe(lambda x: model(x).square().sum(dim=1), [model]).losses(batch, plan)

    torch.testing.assert_close(saved.float(), expected.detach())
    assert not torch.equal(present, saved)


def test_a_live_graph_can_still_be_used(capsys):
    generator, critic = network(), network()
    store = store_for(generator, companions={"critic": critic})
    plan = RestorePlan(take(store), store.inventory())
    fake = generator(torch.randn(4, 3))
    loss = critic(torch.cat([fake, fake[:, :1]], dim=1)).sum()
    expected = torch.autograd.grad(loss, list(generator.parameters()), retain_graph=True)

    Probe(
        lambda x: critic(torch.cat([generator(x)] * 2, dim=1)[:, :3]).sum(dim=1),
        [generator, critic],
    ).losses(torch.randn(4, 3), plan)

    after = torch.autograd.grad(loss, list(generator.parameters()))
    assert all(map(torch.equal, expected, after))


def test_weights_cast_by_autocast_are_not_used_for_the_other_side():
    model = nn.Linear(3, 1)
    plan = plan_after_damage(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        before = model(torch.ones(1, 3)).item()
        present, saved = Probe(lambda x: model(x)[:, 0].float(), [model]).losses(
            torch.ones(2, 3), plan
        )
        assert model(torch.ones(1, 3)).item() == before

    assert not torch.equal(present, saved)


def test_live_seeds_are_switched_off_under_the_snapshot_as_a_rollback_would_prune_them():
    model = SlottedNet()
    images = torch.randn(2, 1, 4, 4)
    store = store_for(model)
    plan = RestorePlan(take(store), store.inventory())
    model.early.germinate("norm", blend_tempo_epochs=1)
    plain = model(images).detach()
    plan = RestorePlan(plan.snapshot, store.inventory())
    with model.early.force_alpha(1.0):
        saved = Probe(lambda x: model(x)[:, 0], [model]).losses(images, plan)[1]

    torch.testing.assert_close(saved.float(), plain[:, 0])


def test_a_probe_that_answers_differently_is_refused_with_the_likely_cause():
    own = torch.Generator()
    probe = Probe(lambda batch: torch.rand(4, generator=own), [network()])

    with pytest.raises(
        ProbeError, match=r"must return the same losses .* most likely it draws from a generator"
    ):
        probe.losses(torch.zeros(4, 3))


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (None, "got None"),
        (torch.zeros(2, 3), r"got a tensor of torch.float32 and shape \(2, 3\)"),
        (torch.zeros(0), r"got a tensor of torch.float32 and shape \(0,\)"),
        (torch.zeros(2, dtype=torch.complex64), "got a tensor of torch.complex64"),
        (torch.zeros(2, dtype=torch.bool), "got a tensor of torch.bool"),
        (torch.zeros(2).to_sparse(), "got a tensor of torch.float32 in torch.sparse_coo and shape"),
        (torch.zeros(2, device="meta"), "got a tensor of torch.float32 on the meta device and"),
        ("0.5", "got '0.5'"),
    ],
)
def test_an_answer_that_is_no_loss_is_refused(answer, got):
    with pytest.raises(ProbeError, match=rf"must return one loss for each sample .*{got}"):
        Probe(lambda batch: answer, [network()]).losses(0)


def test_a_module_or_a_value_instead_of_a_probe_is_refused():
    with pytest.raises(
        ValueError, match="probe must be a function from a batch to losses, got a module"
    ):
        checked_probe(network(), [])
    with pytest.raises(ValueError, match="probe must be a function, got 3"):
        TolariaGovernor(network(), probe=3)


def test_an_exception_of_the_probe_reaches_the_caller_and_leaves_nothing_behind():
    model = network()
    plan = plan_after_damage(model)
    calls = []

    def probe(batch):
        calls.append(batch)
        if len(calls) == 3:
            raise KeyError("label")
        return model(batch).sum(dim=1)

    before = state(model)
    with pytest.raises(KeyError, match="label"):
        Probe(probe, [model]).losses(torch.zeros(4, 3), plan)

    assert_equal(state(model), before)


def test_a_governor_with_a_probe_needs_the_batch():
    model = nn.Linear(3, 2)
    governor = TolariaGovernor(
        model, probe=lambda batch: cross_entropy(model(batch), batch.argmax(1))
    )

    with pytest.raises(
        ValueError, match="needs the batch of every step, got None; call before_step"
    ):
        governor.before_step(0.5)
