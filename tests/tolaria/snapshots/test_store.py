"""Tests that a snapshot describes what it holds, and exists only if it is complete and finite."""

import copy
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import AveragedModel

from esper.leyline.errors import SnapshotError
from esper.tolaria.snapshots import buffers
from esper.tolaria.snapshots.finite import NotFiniteError
from esper.tolaria.snapshots.random_state import load_random_state_dict
from esper.tolaria.snapshots.store import SnapshotContext
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


class Interrupted(BaseException):
    """An interruption such as Ctrl-C."""


def held_by(snapshot) -> dict[str, torch.Tensor]:
    """Return copies of the tensors of a snapshot."""
    return {key: snapshot.buffers.view(key).clone() for key in snapshot.inventory.entries}


def test_the_info_describes_the_snapshot():
    model = dense_net()

    info = store_for(model).take(snapshot_id=3, context=SnapshotContext(step=70)).info

    tensors = model.state_dict()
    assert info.keys == tuple(tensors)
    assert (info.snapshot_id, info.step, info.num_keys) == (3, 70, len(tensors))
    assert info.num_bytes == sum(tensor.nbytes for tensor in tensors.values())
    assert (info.excluded_seed_keys, info.fossilized_seeds) == (0, ())
    assert 0.0 < info.verify_s < info.duration_s


def test_the_tensors_of_a_live_seed_are_excluded():
    model = SlottedNet()
    model.early.germinate("norm")

    info = take(store_for(model)).info

    owned = [key for key in model.state_dict() if key.startswith("early.")]
    assert len(owned) > 1
    assert info.excluded_seed_keys == len(owned)
    assert set(info.keys) == set(model.state_dict()) - set(owned)


def test_the_tensors_of_a_fossil_are_saved():
    model = SlottedNet()
    fossilise(model.early)

    info = take(store_for(model)).info

    assert info.fossilized_seeds == ("early",)
    assert set(info.keys) == set(model.state_dict())


def test_a_tied_tensor_has_two_names_and_is_saved_once():
    model = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Linear(2, 2, bias=False)})
    model["b"].weight = model["a"].weight

    info = take(store_for(model)).info

    assert info.keys == ("a.weight", "b.weight")
    assert info.num_bytes == 16


def test_the_checksum_depends_on_the_content_and_the_fingerprint_does_not():
    model = dense_net()
    store = store_for(model)
    first, second = take(store).info, take(store).info
    model[0].weight.data[0, 0] += 1.0

    third = take(store).info

    assert first.checksum == second.checksum != third.checksum
    assert first.fingerprint == third.fingerprint


def test_another_structure_has_another_fingerprint():
    model = dense_net()
    store = store_for(model)
    before = take(store).info.fingerprint

    model.append(nn.Linear(2, 2))

    assert take(store).info.fingerprint != before


@given(random_modules(), st.data())
def test_a_failure_in_the_middle_leaves_earlier_and_later_snapshots_intact(model, data):
    store = store_for(model)
    kept = take(store)
    held = held_by(kept)
    scramble(model)
    num_calls, mix = 0, buffers._mix
    fails_at = data.draw(st.integers(1, 8))
    fault = data.draw(st.sampled_from([MemoryError, RuntimeError, Interrupted]))

    def failing_mix(*arguments):
        nonlocal num_calls
        num_calls += 1
        if num_calls == fails_at:
            raise fault("no")
        return mix(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffers, "_mix", failing_mix)
        try:
            take(store, 1)
        except (SnapshotError, Interrupted):
            assert num_calls == fails_at

    assert kept.buffers.is_intact()
    assert same(held_by(kept), held)
    assert take(store, 1).buffers.is_intact()


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_a_failed_copy_is_reported_with_its_cause(monkeypatch, error):
    def fail(*_):
        raise error("no room")

    monkeypatch.setattr(buffers, "allocate", fail)

    with pytest.raises(SnapshotError, match=f"copied whole, got {error.__name__}: no room; the e"):
        take(store_for(dense_net()))


@pytest.mark.parametrize("key", ["0.weight", "1.running_var"])
def test_a_tensor_that_is_not_finite_is_refused_by_name(key):
    model = dense_net()
    store = store_for(model)
    kept = take(store)
    model.state_dict()[key].view(-1)[0] = torch.nan

    with pytest.raises(NotFiniteError, match=f"must be finite, got 1 NaN and 0 infinite in {key};"):
        take(store, 1)
    assert kept.buffers.is_intact()


def test_the_message_names_a_few_tensors_and_counts_the_rest():
    model = nn.Sequential(*[nn.Linear(1, 1) for _ in range(3)])
    for parameter in model.parameters():
        parameter.data.fill_(torch.inf)

    with pytest.raises(NotFiniteError, match=r"1 infinite in 1.weight and 3 more"):
        take(store_for(model))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_tensors_of_any_dtype_must_be_finite(dtype, value):
    model = nn.ParameterDict({"weight": torch.zeros(3, 3, dtype=dtype)})
    store = store_for(model)
    take(store)
    model["weight"].data[1, 1] = value

    with pytest.raises(NotFiniteError, match="weight"):
        take(store)


def test_the_largest_finite_numbers_are_accepted():
    model = nn.Linear(3, 3)
    model.weight.data.fill_(torch.finfo(torch.float32).max)

    assert take(store_for(model)).buffers.is_intact()


class Masked(nn.Module):
    """A module with an attention mask."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))
        self.weight = nn.Parameter(torch.zeros(3))


def test_the_mask_of_an_averaged_model_may_be_infinite_too():
    model = Masked()
    store = store_for(model, companions={"average": AveragedModel(model)})

    take(store)


def test_a_mask_may_be_infinite_but_a_weight_beside_it_may_not():
    model = Masked()
    store = store_for(model)
    assert "mask" in take(store).info.keys
    model.weight.data[0] = torch.inf

    with pytest.raises(NotFiniteError, match="got 0 NaN and 1 infinite in weight;"):
        take(store)


def test_a_buffer_that_was_finite_may_not_become_infinite():
    model = Masked()
    model.mask.zero_()
    store = store_for(model)
    take(store)
    model.mask.fill_(torch.inf)

    with pytest.raises(NotFiniteError, match="9 infinite in mask"):
        take(store)


def test_an_infinite_statistic_of_the_first_batch_is_not_taken_for_a_mask():
    model = dense_net()
    store = store_for(model)
    model(torch.full((4, 3), 1e25) * torch.arange(4).reshape(4, 1))

    message = (
        "infinite in 1.running_var; there is no earlier snapshot: build the network again, and"
    )
    with pytest.raises(NotFiniteError, match=message):
        take(store)


@pytest.mark.parametrize(("value", "is_mask"), [(-torch.inf, True), (torch.inf, False)])
@pytest.mark.parametrize("is_persistent", [True, False])
def test_a_buffer_of_the_first_forward_pass_may_be_infinite_as_masks_are(
    value, is_mask, is_persistent
):
    model = nn.Linear(2, 2)
    store = store_for(model)
    mask = torch.full((2, 2), value).triu(1)
    model.register_buffer("mask", mask, persistent=is_persistent)

    if is_mask:
        assert torch.equal(take(store).buffers.view("mask"), mask)
    else:
        with pytest.raises(NotFiniteError, match="1 infinite in mask"):
            take(store)


class Power(nn.Module):
    """A layer with a running statistic that its state dict leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer("power", torch.ones(2), persistent=False)


def test_buffers_outside_of_the_state_dict_are_saved_and_checked():
    model = Power()
    store = store_for(model, companions={"average": AveragedModel(model)})
    snapshot = take(store)

    assert {"power", "average/module.power"} <= snapshot.inventory.entries.keys()
    assert snapshot.info.keys == ("weight",)
    model.power[0] = torch.nan
    with pytest.raises(NotFiniteError, match="1 NaN and 0 infinite in power"):
        take(store)


@pytest.mark.parametrize("dtype", [torch.complex32, torch.complex64, torch.complex128])
@pytest.mark.parametrize("part", ["real", "imag"])
@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_both_parts_of_a_complex_number_must_be_finite(dtype, part):
    model = nn.ParameterDict({"weight": torch.zeros(3, dtype=dtype)})
    store = store_for(model)
    take(store)
    parts = torch.view_as_real(model["weight"].data)
    parts[1, ["real", "imag"].index(part)] = torch.nan

    with pytest.raises(NotFiniteError, match="got 1 NaN and 0 infinite in weight"):
        take(store)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.LazyLinear(2), "weight must have been initialised, got a lazy one; run a batch first"),
        (
            nn.Linear(2, 2, device="meta"),
            "weight must be a dense tensor in memory of its own, got a meta",
        ),
    ],
    ids=["lazy", "meta"],
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_tensor_without_memory_is_refused(model, message):
    with pytest.raises(SnapshotError, match=message):
        take(store_for(model))


def test_detects_new_memory_in_the_same_parameter():
    model = nn.Linear(2, 2)
    store = store_for(model)
    take(store)
    model.weight.data = torch.full((2, 2), 7.0)

    assert torch.equal(take(store).buffers.view("weight"), model.weight)


def test_a_snapshot_does_not_keep_replaced_weights_alive():
    model = nn.Linear(2, 2)
    store = store_for(model)
    snapshot = take(store)
    model.weight = nn.Parameter(torch.zeros(2, 2))

    take(store)

    assert snapshot.inventory.tensors == {}
    assert not snapshot.inventory.is_current()


def test_released_memory_is_used_again():
    store = store_for(dense_net())
    first = take(store)
    address = first.buffers.view("0.weight").data_ptr()

    store.release(first)

    assert take(store).buffers.view("0.weight").data_ptr() == address


def test_tensors_of_one_dtype_share_a_buffer():
    model = dense_net()
    snapshot = take(store_for(model))

    views = [snapshot.buffers.view(key) for key in ("0.weight", "0.bias", "3.weight", "3.bias")]
    span = views[-1].data_ptr() - views[0].data_ptr()
    assert all(view.data_ptr() % 64 == views[0].data_ptr() % 64 for view in views)
    assert 0 < span < 1024


def test_optimizers_and_companions_are_saved_by_name():
    model = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    average = copy.deepcopy(model)

    snapshot = take(store_for(model, optimizers={"adam": optimizer}, companions={"ema": average}))

    assert snapshot.info.keys == ("weight", "bias")
    moments = {f"adam/{name}/{key}" for name in ("weight", "bias") for key in MOMENTS}
    assert set(snapshot.inventory.entries) == {
        "weight",
        "bias",
        "ema/weight",
        "ema/bias",
        *moments,
    }


MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def test_restored_random_generators_draw_the_same_numbers():
    store = store_for(nn.Linear(1, 1), saves_random_state=True)
    snapshot = take(store)
    drawn = (
        random.random(),
        np.random.random(),
        torch.rand(1).item(),
    )

    load_random_state_dict(snapshot.non_tensors.random)

    assert (random.random(), np.random.random(), torch.rand(1).item()) == drawn


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_weights_are_copied_to_pinned_memory():
    model = dense_net().cuda()
    store = store_for(model)
    before = state_of(model)

    snapshot = take(store)

    assert snapshot.buffers.view("0.weight").is_pinned()
    assert same({key: snapshot.buffers.view(key).cuda() for key in before}, before)
