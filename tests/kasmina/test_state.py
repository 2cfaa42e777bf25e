"""A seed's state is saved in plain types, and restored only if it is complete and valid."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esper._generated.enums import AlphaAlgorithm, AlphaCurve, SeedStage
from esper.kasmina.alpha import AlphaSchedule
from esper.kasmina.gradients import GradientHealth
from esper.kasmina.state import SeedState
from esper.leyline.errors import CheckpointError

amplitudes = st.floats(0.0, 1.0)
counts = st.integers(0, 1000)
figures = st.none() | st.floats(-1000.0, 1000.0)
states = st.builds(
    SeedState,
    seed_id=st.text(),
    blueprint_id=st.text(),
    stage=st.sampled_from(SeedStage),
    algorithm=st.sampled_from(AlphaAlgorithm),
    blend_algorithm_id=st.sampled_from(["linear", "sigmoid", "gated"]),
    blend_tempo_epochs=counts,
    blend_target=amplitudes,
    alpha=amplitudes,
    schedule=st.builds(
        AlphaSchedule,
        alpha=amplitudes,
        start=amplitudes,
        target=amplitudes,
        curve=st.sampled_from(AlphaCurve),
        num_steps=counts,
        steps_done=counts,
    ),
    frozen=st.lists(st.text()),
    prune_reason=st.text(),
    prune_initiator=st.text(),
    initial_accuracy=figures,
    stage_accuracy=figures,
    accuracy=figures,
    epochs_total=counts,
    epochs_in_stage=counts,
    contribution=figures,
    gradients=st.none()
    | st.builds(
        GradientHealth,
        ratio=st.floats(0.0, 10.0),
        has_vanishing=st.booleans(),
        has_exploding=st.booleans(),
        epoch=counts,
    ),
)


@given(states)
def test_a_saved_state_is_restored_unchanged(state):
    assert SeedState.from_state_dict(json.loads(json.dumps(state.state_dict()))) == state


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 0}, "must have format 1, got 0; load it with the version"),
        ({"stage": 5}, "must be valid, got: Invalid enum value 5"),
        ({"alpha": 1.5}, "must be valid, got: Expected `float` <= 1.0"),
        ({"epochs_total": -1}, "must be valid"),
        ({"blend_algorithm_id": "abrupt"}, "must be valid"),
        ({"colour": "red"}, "exactly the fields of a seed's state, got others"),
    ],
)
def test_an_invalid_state_is_rejected(changes, message):
    plain = SeedState(seed_id="s", blueprint_id="norm").state_dict() | changes

    with pytest.raises(CheckpointError, match=message):
        SeedState.from_state_dict(plain)


@pytest.mark.parametrize("missing", ["alpha", "stage", "format"])
def test_an_incomplete_state_is_rejected(missing):
    plain = SeedState().state_dict()
    del plain[missing]

    with pytest.raises(CheckpointError, match="a slot's state must have"):
        SeedState.from_state_dict(plain)


def test_improvement_is_measured_from_the_first_epoch_recorded():
    state = SeedState()
    state.enter(SeedStage.TRAINING)
    assert (state.total_improvement, state.stage_improvement) == (0.0, 0.0)

    state.record_accuracy(40.0)
    state.record_accuracy(41.0)
    state.enter(SeedStage.BLENDING)
    state.record_accuracy(43.0)

    assert (state.total_improvement, state.stage_improvement) == (3.0, 2.0)
    assert (state.epochs_total, state.epochs_in_stage) == (3, 1)


@given(states)
def test_a_state_in_a_tensor_is_restored_unchanged(state):
    tensor = state.to_tensor()

    assert (tensor.dtype, tensor.device.type) == (torch.uint8, "cpu")
    assert SeedState.from_tensor(tensor) == state


def test_usual_states_have_tensors_of_one_shape():
    planted = SeedState(seed_id="s" * 129, blueprint_id="b" * 64, prune_reason="r" * 256)

    assert SeedState().to_tensor().shape == planted.to_tensor().shape == (2048,)


def test_a_state_is_kept_on_a_default_device_without_storage():
    with torch.device("meta"):
        tensor = SeedState(seed_id="s").to_tensor()

    assert SeedState.from_tensor(tensor).seed_id == "s"


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(8), torch.tensor([3], dtype=torch.uint8), torch.empty(4, device="meta")],
    ids=["zeros", "no text", "meta"],
)
def test_another_tensor_is_rejected(tensor):
    with pytest.raises(CheckpointError, match=r"must be JSON in a tensor of bytes, got another te"):
        SeedState.from_tensor(tensor)
