"""A slot passes features by the stage of its seed, and a loaded slot computes the same as the saved one."""

import copy
import io
import json
import pickle

import pytest
import torch

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.blueprints.registry import blueprint_ids
from esper.kasmina.slot import SeedSlot
from esper.leyline.errors import CheckpointError, SlotError
from tests.kasmina.lives import CHANNELS, PERMISSIVE, UNDECIDED, features, slot_in
from tests.kasmina.replay import Recorder

GATED = {"alpha_algorithm": AlphaAlgorithm.GATE, "blend_algorithm_id": "gated"}
ALL_STAGES = [
    SeedStage.DORMANT,
    *UNDECIDED,
    SeedStage.FOSSILIZED,
    SeedStage.PRUNED,
    SeedStage.EMBARGOED,
    SeedStage.RESETTING,
]


def poison(slot) -> None:
    with torch.no_grad():
        for parameter in slot.seed_parameters():
            parameter.fill_(float("nan"))


def as_bytes(state) -> torch.Tensor:
    return torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)


def forbid_seed(slot) -> None:
    """Make the seed fail when it is called."""

    def fail(*_):
        raise AssertionError("the seed was called")

    slot.seed.register_forward_pre_hook(fail)


class TestForward:
    @pytest.mark.parametrize(
        "stage", [SeedStage.DORMANT, SeedStage.GERMINATED, SeedStage.PRUNED], ids=lambda s: s.name
    )
    def test_without_an_active_seed_the_features_pass_through(self, stage):
        slot, h = slot_in(stage), features()
        if slot.seed is not None:
            forbid_seed(slot)

        assert slot(h) is h

    def test_in_training_the_seed_learns_and_does_not_influence_the_host(self):
        slot, h = slot_in(SeedStage.TRAINING), features()

        output = slot(h)
        output.sum().backward()

        assert torch.equal(output, h)
        assert torch.equal(h.grad, torch.ones_like(h))
        assert slot.seed.scale.grad != 0

    def test_without_gradients_a_training_seed_is_not_called(self):
        slot, h = slot_in(SeedStage.TRAINING), features()
        forbid_seed(slot)

        with torch.no_grad():
            assert slot(h) is h

    @pytest.mark.parametrize("topology", ["cnn", "transformer"])
    def test_without_amplitude_a_seed_that_is_nan_changes_nothing(self, topology):
        training = slot_in(SeedStage.TRAINING, topology=topology)
        blending = slot_in(SeedStage.TRAINING, topology=topology)
        blending.advance_stage()
        assert (blending.stage, blending.alpha) == (SeedStage.BLENDING, 0.0)
        for slot in (training, blending):
            poison(slot)
            h = features(topology)

            output = slot(h)
            output.sum().backward()

            assert torch.equal(output, h)
            assert torch.equal(h.grad, torch.ones_like(h))

    @pytest.mark.parametrize("topology", ["cnn", "transformer"])
    def test_a_blending_seed_without_amplitude_learns_as_in_training(self, topology):
        slot, h = slot_in(SeedStage.TRAINING, topology=topology), features(topology)
        slot.advance_stage()

        output = slot(h.detach())
        output.sum().backward()

        assert torch.equal(output, h)
        assert slot.seed.scale.grad != 0

    @pytest.mark.parametrize("stage", [SeedStage.HOLDING, SeedStage.FOSSILIZED])
    def test_at_full_amplitude_the_output_is_that_of_the_seed_bit_for_bit(self, stage):
        slot, h = slot_in(stage, blueprint_id="conv_light"), features()

        assert torch.equal(slot(h), slot.seed(h))

    @pytest.mark.parametrize(
        "stage", [SeedStage.HOLDING, SeedStage.FOSSILIZED], ids=lambda s: s.name
    )
    @pytest.mark.parametrize("topology", ["cnn", "transformer"])
    def test_at_full_amplitude_the_gradient_reaches_the_layers_before_the_slot(
        self, stage, topology
    ):
        slot, h = slot_in(stage, topology=topology), features(topology)

        slot(h).square().sum().backward()

        (expected,) = torch.autograd.grad(slot.seed(h).square().sum(), h)
        assert h.grad.norm() > 0.5 * (2 * h).norm()
        torch.testing.assert_close(h.grad, expected)

    @pytest.mark.parametrize(("topology", "isolated"), [("cnn", True), ("transformer", False)])
    def test_in_blending_only_the_seed_of_a_cnn_is_isolated(self, topology, isolated):
        slot, h = slot_in(
            SeedStage.BLENDING, topology=topology, blueprint_id="attention"
        ), features(topology)
        slot.seed.register_forward_pre_hook(
            lambda _, inputs: setattr(slot, "saw_gradient", inputs[0].requires_grad)
        )

        slot(h)

        assert slot.saw_gradient is not isolated

    def test_another_algorithm_is_used_from_the_next_forward_pass_on(self):
        slot, h = slot_in(SeedStage.HOLDING, blueprint_id="conv_light"), features()

        slot.set_alpha_target(alpha_target=1.0, steps=1, alpha_algorithm=AlphaAlgorithm.MULTIPLY)

        torch.testing.assert_close(slot(h), h * (1.0 + torch.tanh(slot.seed(h) - h)))

    @pytest.mark.parametrize("stage", [SeedStage.TRAINING, SeedStage.BLENDING, SeedStage.HOLDING])
    @pytest.mark.parametrize("name", blueprint_ids("cnn"))
    def test_channels_last_features_keep_their_layout_and_gradient(self, name, stage):
        h = features().detach().to(memory_format=torch.channels_last).requires_grad_()
        slot = slot_in(stage, blueprint_id=name)

        output = slot(h)
        output.sum().backward()

        assert output.is_contiguous(memory_format=torch.channels_last)
        assert h.grad.isfinite().all()

    def test_a_seed_gets_dtype_and_mode_of_its_host(self):
        slot = SeedSlot("r0c0", CHANNELS, gates=PERMISSIVE).to(torch.bfloat16)
        slot.eval()

        slot.germinate("conv_light", **GATED)

        assert {p.dtype for p in slot.parameters()} == {torch.bfloat16}
        assert not slot.seed.training
        assert not slot.gate.training

    def test_autocast_keeps_the_dtype_of_the_features(self):
        slot, h = slot_in(SeedStage.BLENDING, blueprint_id="conv_light"), features()

        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert slot(h).dtype is torch.float32
            assert slot(h.bfloat16()).dtype is torch.bfloat16


class TestForcedAlpha:
    def test_at_amplitude_0_the_seed_is_not_called(self):
        slot, h = slot_in(SeedStage.HOLDING), features()
        forbid_seed(slot)

        with slot.force_alpha(0.0):
            assert slot(h) is h

    def test_afterwards_the_slot_computes_as_before_even_after_an_error(self):
        slot, h = slot_in(SeedStage.BLENDING, blueprint_id="conv_light"), features()
        before = slot(h)

        with pytest.raises(KeyboardInterrupt), slot.force_alpha(0.0):
            raise KeyboardInterrupt

        assert torch.equal(slot(h), before)

    def test_forcing_can_be_nested(self):
        slot, h = slot_in(SeedStage.HOLDING, blueprint_id="conv_light"), features()

        with slot.force_alpha(0.0):
            with slot.force_alpha(1.0):
                assert torch.equal(slot(h), slot.seed(h))
            assert slot(h) is h

    def test_the_property_alpha_does_not_change(self):
        slot = slot_in(SeedStage.BLENDING)

        with slot.force_alpha(0.0):
            assert slot.alpha == 0.5

    def test_a_seed_in_training_runs_at_a_forced_amplitude(self):
        slot, h = slot_in(SeedStage.TRAINING, blueprint_id="conv_light"), features()

        with slot.force_alpha(1.0):
            assert torch.equal(slot(h), slot.seed(h))

    @pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
    def test_an_amplitude_out_of_range_is_rejected(self, value):
        with (
            pytest.raises(SlotError, match=rf"forced alpha must be in \[0, 1\], got {value}"),
            slot_in(SeedStage.HOLDING).force_alpha(value),
        ):
            pass


class TestFossil:
    @pytest.mark.parametrize(
        "germination",
        [{}, {"alpha_algorithm": AlphaAlgorithm.MULTIPLY}, GATED],
        ids=["add", "multiply", "gate"],
    )
    def test_it_computes_what_its_slot_did(self, germination):
        slot = slot_in(SeedStage.FOSSILIZED, blueprint_id="conv_light", **germination)
        h = features()

        fossil = slot.to_fossil()

        assert torch.equal(fossil(h), slot(h))
        assert [id(p) for p in fossil.parameters()] == [id(p) for p in slot.parameters()]

    def test_a_seed_that_is_not_a_fossil_cannot_leave_its_slot(self):
        with pytest.raises(SlotError, match=r"only a fossil can leave .*, got HOLDING"):
            slot_in(SeedStage.HOLDING).to_fossil()


class TestCheckpoint:
    @pytest.mark.parametrize("stage", ALL_STAGES, ids=lambda stage: stage.name)
    @pytest.mark.parametrize(
        "germination", [{"blueprint_id": "conv_light"}, GATED], ids=["add", "gate"]
    )
    def test_a_new_slot_becomes_the_saved_one(self, stage, germination):
        saved = slot_in(stage, **({} if stage is SeedStage.DORMANT else germination))
        file = io.BytesIO()
        torch.save(saved.state_dict(), file)
        file.seek(0)
        fresh = SeedSlot("r0c0", CHANNELS, gates=PERMISSIVE)

        fresh.load_state_dict(torch.load(file, weights_only=True))

        h = features()
        assert fresh.stage is stage
        assert torch.equal(fresh(h), saved(h))
        assert str(fresh.state_dict()) == str(saved.state_dict())

    def test_a_loaded_seed_continues_like_the_saved_one(self):
        saved = slot_in(SeedStage.HOLDING)
        saved.schedule_prune(steps=2, reason="low_contribution", initiator="operator")
        fresh = SeedSlot("r0c0", CHANNELS)
        fresh.load_state_dict(saved.state_dict())
        histories = []
        for slot in (saved, fresh):
            slot.channel = recorder = Recorder()
            for _ in range(9):
                slot.step_epoch()
            histories.append(recorder.events)

        assert histories[0] == histories[1]
        assert histories[0][1]["payload"]["reason"] == "low_contribution"

    def test_it_is_loaded_into_a_slot_whose_tensors_were_not_initialized(self):
        saved, h = slot_in(SeedStage.BLENDING, blueprint_id="conv_light"), features()
        with torch.device("meta"):
            bare = slot_in(SeedStage.BLENDING, blueprint_id="conv_light")
        bare.to_empty(device="cpu")
        bare._alpha.fill_(float("nan"))

        bare.load_state_dict(saved.state_dict())

        assert torch.equal(bare(h), saved(h))

    def test_a_frozen_seed_is_loaded_frozen_and_learns_again_after_the_ramp(self):
        saved = slot_in(SeedStage.HOLDING)
        saved.set_alpha_target(alpha_target=0.5, steps=2)
        fresh = SeedSlot("r0c0", CHANNELS)

        fresh.load_state_dict(saved.state_dict())

        assert not any(p.requires_grad for p in fresh.parameters())
        for _ in range(3):
            fresh.step_epoch()
        assert all(p.requires_grad for p in fresh.parameters())

    def test_a_seed_that_is_already_planted_keeps_its_parameters(self):
        slot = slot_in(SeedStage.TRAINING)
        saved = copy.deepcopy(slot.state_dict())
        planted = list(slot.parameters())
        poison(slot)
        slot.advance_stage()

        slot.load_state_dict(saved)

        assert slot.stage is SeedStage.TRAINING
        assert [id(p) for p in slot.parameters()] == [id(p) for p in planted]
        assert all(p.isfinite().all() for p in slot.parameters())

    def test_another_seed_is_replaced(self):
        slot = slot_in(SeedStage.HOLDING, blueprint_id="conv_light")

        slot.load_state_dict(slot_in(SeedStage.DORMANT).state_dict())
        assert slot.is_empty
        assert slot.seed is None

        slot.load_state_dict(slot_in(SeedStage.TRAINING, blueprint_id="depthwise").state_dict())
        assert slot.blueprint_id == "depthwise"

    def test_loading_draws_no_random_numbers(self):
        saved = slot_in(SeedStage.HOLDING, **GATED).state_dict()
        fresh = SeedSlot("r0c0", CHANNELS)
        torch.manual_seed(0)

        fresh.load_state_dict(saved)

        drawn = torch.rand(())
        torch.manual_seed(0)
        assert torch.equal(drawn, torch.rand(()))

    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            ({"stage": 5}, CheckpointError, "must be valid, got: Invalid enum value"),
            ({"blueprint_id": "resnet"}, SlotError, "no blueprint 'resnet' for cnn"),
        ],
    )
    def test_an_invalid_checkpoint_changes_nothing(self, changes, error, message):
        slot = slot_in(SeedStage.HOLDING)
        slot.schedule_prune(steps=3)
        before, planted = str(slot.state_dict()), list(slot.parameters())
        broken = slot_in(SeedStage.TRAINING).state_dict()
        state = json.loads(bytes(broken["_extra_state"].tolist()))
        broken["_extra_state"] = as_bytes(state | changes)

        with pytest.raises(error, match=message):
            slot.load_state_dict(broken)

        assert str(slot.state_dict()) == before
        assert [id(p) for p in slot.parameters()] == [id(p) for p in planted]
        assert not any(p.requires_grad for p in planted)

    @pytest.mark.parametrize(
        "copied",
        [copy.deepcopy, lambda slot: pickle.loads(pickle.dumps(slot))],
        ids=["copied", "pickled"],
    )
    def test_a_copy_computes_the_same_and_emits_nothing(self, copied):
        recorder = Recorder()
        slot, h = slot_in(SeedStage.BLENDING, channel=recorder), features()

        twin = copied(slot)
        twin.prune()

        assert twin.channel is not recorder
        assert not twin.channel.listening
        assert recorder.events == []
        assert slot.channel is recorder
        assert torch.equal(slot(h), copied(slot)(h))
