"""Tests that restoring a snapshot gives every bit back, and changes nothing if it is impossible."""

import copy

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from esper.leyline.errors import SnapshotError
from esper.tolaria.snapshots.restore import CorruptSnapshotError, RestorePlan
from tests.tolaria.networks import (
    SlottedNet,
    dense_net,
    fossilise,
    random_modules,
    same,
    scramble,
    state_of,
    store_for,
    take,
)


def restore(store, snapshot, *, others=(), optimizers=None) -> RestorePlan:
    """Restore `snapshot` and return the plan."""
    plan = RestorePlan(snapshot, store.inventory(), others=others)
    plan.restore_tensors(optimizers or {})
    return plan


@given(random_modules())
@settings(max_examples=150)
def test_restoring_is_the_identity(model):
    store = store_for(model)
    before = state_of(model)
    snapshot = take(store)
    scramble(model)

    restore(store, snapshot)

    assert same(state_of(model), before)


@given(random_modules())
def test_restoring_into_new_memory_is_the_identity_too(model):
    store = store_for(model)
    before = state_of(model)
    snapshot = take(store)
    scramble(model)
    for parameter in model.parameters():
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)

    restore(store, snapshot)

    assert same(state_of(model), before)


def test_parameters_stay_the_same_objects():
    model = dense_net()
    store = store_for(model)
    snapshot = take(store)
    before = [id(tensor) for tensor in model.state_dict(keep_vars=True).values()]
    addresses = [tensor.data_ptr() for tensor in model.state_dict().values()]

    scramble(model)
    restore(store, snapshot)

    assert [id(tensor) for tensor in model.state_dict(keep_vars=True).values()] == before
    assert [tensor.data_ptr() for tensor in model.state_dict().values()] == addresses


def test_further_training_does_not_change_the_snapshot():
    model = dense_net()
    store = store_for(model)
    before = state_of(model)
    snapshot = take(store)

    for _ in range(2):
        scramble(model)
        restore(store, snapshot)

    assert same(state_of(model), before)


def test_compiled_code_is_not_compiled_again():
    model = nn.Linear(2, 1)
    graphs = []

    def count(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(model, backend=count)
    store = store_for(model)
    snapshot = take(store)
    expected = compiled(torch.ones(1, 2)).detach()
    scramble(model)

    restore(store, snapshot)

    assert torch.equal(compiled(torch.ones(1, 2)), expected)
    assert len(graphs) == 1


def test_a_flipped_bit_is_detected_and_nothing_is_changed():
    model = dense_net()
    store = store_for(model)
    snapshot = take(store)
    scramble(model)
    before = state_of(model)
    snapshot.buffers.view("0.weight")[0, 0] += 1

    with pytest.raises(
        CorruptSnapshotError, match="bytes of snapshot 0 must be those that were saved, got others"
    ):
        restore(store, snapshot)
    assert same(state_of(model), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.append(nn.Linear(2, 2, bias=False)), "got 4.weight added"),
        (lambda model: model.pop(3), "got 3.bias missing, 3.weight missing"),
        (
            lambda model: model[0].register_parameter("bias", nn.Parameter(torch.zeros(6))),
            r"0.bias as torch.float32 \(6,\) instead of torch.float32 \(5,\)",
        ),
        (lambda model: model.half(), "torch.float16 .* and 5 more; nothing has been changed"),
    ],
    ids=["added", "missing", "reshaped", "retyped"],
)
def test_a_rebuilt_host_is_refused_and_nothing_is_changed(change, message):
    model = dense_net()
    store = store_for(model)
    snapshot = take(store)
    change(model)
    before = state_of(model)

    with pytest.raises(SnapshotError, match=message):
        restore(store, snapshot)
    assert same(state_of(model), before)


def test_the_host_is_restored_although_a_seed_was_planted_since():
    model = SlottedNet()
    store = store_for(model)
    before = state_of(model.stem)
    snapshot = take(store)
    scramble(model)
    model.early.germinate("norm")

    plan = restore(store, snapshot)

    assert same(state_of(model.stem), before)
    assert (plan.kept_fossils, plan.lost_fossils) == ([], [])


def test_a_fossil_in_the_snapshot_is_restored_with_it():
    model = SlottedNet()
    fossilise(model.early)
    store = store_for(model)
    before = state_of(model)
    snapshot = take(store)
    scramble(model)

    plan = restore(store, snapshot)

    assert same(state_of(model), before)
    assert plan.kept_fossils == []


def test_a_younger_fossil_gets_its_weights_from_the_newest_snapshot_that_holds_it():
    model = SlottedNet()
    store = store_for(model)
    host = state_of(model.stem)
    old = take(store)
    fossilise(model.early)
    fossil = state_of(model.early)
    scramble(model.stem)
    new = take(store, 1)
    scramble(model)

    plan = restore(store, old, others=[new, old])

    assert same(state_of(model.early), fossil)
    assert same(state_of(model.stem), host)
    assert plan.kept_fossils == ["early"]


def test_a_corrupt_donor_is_not_used():
    model = SlottedNet()
    store = store_for(model)
    old = take(store)
    fossilise(model.early)
    first = take(store, 1)
    fossil = state_of(model.early)
    scramble(model)
    second = take(store, 2)
    second.buffers.view("stem.weight")[0] += 1

    restore(store, old, others=[second, first, old])

    assert same(state_of(model.early), fossil)


@pytest.mark.parametrize("is_finite", [True, False])
def test_a_fossil_in_no_snapshot_stays_if_it_is_finite(is_finite):
    model = SlottedNet()
    store = store_for(model)
    snapshot = take(store)
    fossilise(model.late)
    if not is_finite:
        next(model.late.parameters()).data.fill_(torch.nan)

    plan = restore(store, snapshot)

    assert plan.kept_fossils == (["late"] if is_finite else [])
    assert plan.lost_fossils == ([] if is_finite else ["late"])


def test_weights_may_have_been_untied_since():
    model = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Linear(2, 2, bias=False)})
    model["b"].weight = model["a"].weight
    store = store_for(model)
    before = state_of(model)
    snapshot = take(store)
    model["b"].weight = nn.Parameter(torch.zeros(2, 2))

    restore(store, snapshot)

    assert same(state_of(model), before)


def test_tensors_that_a_companion_has_gained_since_stay():
    model, average = dense_net(), dense_net()
    store = store_for(model, companions={"average": average})
    before = state_of(average)
    snapshot = take(store)
    scramble(average)
    average.append(nn.Linear(2, 2))

    restore(store, snapshot)

    restored = state_of(average)
    assert same({key: restored[key] for key in before}, before)


class Counting(nn.Module):
    """A module that adds a counter to its state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = [0]

    def get_extra_state(self) -> list[int]:
        return self.seen

    def set_extra_state(self, state: list[int]) -> None:
        self.seen = state


def test_extra_state_is_restored_and_not_aliased():
    model = nn.Sequential(Counting())
    store = store_for(model)
    snapshot = take(store)

    for _ in range(2):
        model[0].seen[0] = 7
        restore(store, snapshot)
        assert model[0].seen == [0]


def trained_adam(model: nn.Module) -> torch.optim.Optimizer:
    """Return an optimizer with moments."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(2):
        sum(parameter.sum() for parameter in model.parameters()).backward()
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("is_rebuilt", [False, True], ids=["in place", "by name"])
def test_moments_and_step_counts_are_restored_and_not_aliased(is_rebuilt):
    model = nn.Linear(2, 2)
    optimizers = {"adam": trained_adam(model)}
    store = store_for(model, optimizers=optimizers)
    before = copy.deepcopy(optimizers["adam"].state_dict())
    snapshot = take(store)

    for _ in range(2):
        optimizers["adam"].step()
        if is_rebuilt:
            optimizers["adam"].load_state_dict(optimizers["adam"].state_dict())
        restore(store, snapshot, optimizers=optimizers)
        assert str(optimizers["adam"].state_dict()) == str(before)


def test_optimizer_state_of_the_host_is_restored_although_a_fossil_was_added_since():
    model = SlottedNet()
    optimizer = trained_adam(model)
    store = store_for(model, optimizers={"adam": optimizer})
    before = optimizer.state[model.head.weight]["exp_avg"].clone()
    snapshot = take(store)
    fossilise(model.early)
    optimizer.add_param_group({"params": list(model.early.parameters())})
    optimizer.step()
    optimizer.state[model.head.weight]["exp_avg"].zero_()

    restore(store, snapshot, optimizers={"adam": optimizer})

    assert torch.equal(optimizer.state[model.head.weight]["exp_avg"], before)


def test_a_statistic_outside_of_the_state_dict_is_restored():
    model = nn.Linear(2, 2)
    model.register_buffer("power", torch.ones(2), persistent=False)
    store = store_for(model)
    snapshot = take(store)
    model.power.fill_(torch.nan)

    restore(store, snapshot)

    assert torch.equal(model.power, torch.ones(2))


@pytest.mark.parametrize("change", ["dropped", "added", "resized"])
def test_a_statistic_outside_of_the_state_dict_may_come_go_and_grow(change):
    model = nn.Linear(2, 2)
    if change != "added":
        model.register_buffer("cache", torch.ones(2), persistent=False)
    store = store_for(model)
    snapshot = take(store)
    weight = model.weight.detach().clone()
    if change == "dropped":
        del model.cache
    else:
        model.register_buffer("cache", torch.ones(9), persistent=False)
    scramble(model)

    restore(store, snapshot)

    assert torch.equal(model.weight, weight)


def test_a_statistic_of_a_fossil_is_restored():
    model = SlottedNet()
    fossilise(model.late)
    model.late.seed.register_buffer("power", torch.ones(2), persistent=False)
    store = store_for(model)
    snapshot = take(store)
    model.late.seed.power.fill_(torch.nan)

    restore(store, snapshot)

    assert torch.equal(model.late.seed.power, torch.ones(2))
    assert not any("_alpha" in key for key in snapshot.inventory.entries)
