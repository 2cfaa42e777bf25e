"""How features pass a slot, and how its seed is saved and loaded."""

import copy
import io
import pickle

import pytest
import torch

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.slot import SeedSlot
from esper.leyline.errors import CheckpointError, SlotError
from tests.kasmina.lives import CHANNELS, LIVE_STAGES, PERMISSIVE, features, slot_in
from tests.kasmina.replay import Recorder

GATED = {"alpha_algorithm": AlphaAlgorithm.GATE, "blend_algorithm_id": "gated"}
ALL_STAGES = [
    SeedStage.DORMANT,
    *LIVE_STAGES,
    SeedStage.FOSSILIZED,
    SeedStage.PRUNED,
    SeedStage.EMBARGOED,
    SeedStage.RESETTING,
]


def poison(slot) -> None:
    with torch.no_grad():
        for parameter in slot.seed_parameters():
            parameter.fill_(float("nan"))


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

    def test_in_training_the_seed_learns_and_the_host_does_not_notice(self):
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
    def test_a_seed_that_is_nan_cannot_poison_a_host_without_amplitude(self, topology):
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

    def test_a_blending_seed_without_amplitude_is_not_called(self):
        slot, h = slot_in(SeedStage.TRAINING), features()
        slot.advance_stage()
        forbid_seed(slot)

        assert slot(h) is h

    @pytest.mark.parametrize("stage", [SeedStage.HOLDING, SeedStage.FOSSILIZED])
    def test_at_full_amplitude_the_output_is_the_seeds_bit_for_bit(self, stage):
        slot, h = slot_in(stage, blueprint_id="conv_light"), features()

        assert torch.equal(slot(h), slot.seed(h))

    @pytest.mark.parametrize(
        "stage", [SeedStage.HOLDING, SeedStage.FOSSILIZED], ids=lambda s: s.name
    )
    @pytest.mark.parametrize("topology", ["cnn", "transformer"])
    def test_a_fossil_passes_the_gradient_to_the_layers_before_it(self, stage, topology):
        slot, h = slot_in(stage, topology=topology), features(topology)

        slot(h).square().sum().backward()

        (expected,) = torch.autograd.grad(slot.seed(h).square().sum(), h)
        assert h.grad.norm() > 0.5 * (2 * h).norm()
        torch.testing.assert_close(h.grad, expected)

    @pytest.mark.parametrize(("topology", "isolated"), [("cnn", True), ("transformer", False)])
    def test_while_it_blends_in_only_a_cnns_seed_is_isolated(self, topology, isolated):
        slot, h = slot_in(
            SeedStage.BLENDING, topology=topology, blueprint_id="attention"
        ), features(topology)
        slot.seed.register_forward_pre_hook(
            lambda _, inputs: setattr(slot, "saw_gradient", inputs[0].requires_grad)
        )

        slot(h)

        assert slot.saw_gradient is not isolated

    def test_channels_last_features_keep_their_layout_and_gradient(self):
        h = features().detach().to(memory_format=torch.channels_last).requires_grad_()
        slot = slot_in(SeedStage.BLENDING, blueprint_id="conv_light")

        output = slot(h)
        output.sum().backward()

        assert output.is_contiguous(memory_format=torch.channels_last)
        assert h.grad.isfinite().all()

    def test_a_seed_lives_where_its_host_is(self):
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
    def test_switched_off_the_seed_is_not_called(self):
        slot, h = slot_in(SeedStage.HOLDING), features()
        forbid_seed(slot)

        with slot.force_alpha(0.0):
            assert slot(h) is h

    def test_afterwards_all_is_as_before_even_after_an_error(self):
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

    def test_what_is_told_of_the_seed_does_not_change(self):
        slot = slot_in(SeedStage.BLENDING)

        with slot.force_alpha(0.0):
            assert slot.alpha == 0.5

    def test_a_training_seed_can_be_tried_out(self):
        slot, h = slot_in(SeedStage.TRAINING, blueprint_id="conv_light"), features()

        with slot.force_alpha(1.0):
            assert torch.equal(slot(h), slot.seed(h))

    @pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
    def test_an_amplitude_out_of_range_is_refused(self, value):
        with (
            pytest.raises(SlotError, match=rf"forced alpha must be in \[0, 1\], got {value}"),
            slot_in(SeedStage.HOLDING).force_alpha(value),
        ):
            pass


class TestCheckpoint:
    @pytest.mark.parametrize("stage", ALL_STAGES, ids=lambda stage: stage.name)
    @pytest.mark.parametrize(
        "germination", [{"blueprint_id": "conv_light"}, GATED], ids=["add", "gate"]
    )
    def test_a_fresh_slot_becomes_the_saved_one(self, stage, germination):
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

    def test_a_loaded_seed_lives_on_like_the_saved_one(self):
        saved = slot_in(SeedStage.HOLDING)
        saved.schedule_prune(steps=2, reason="low_contribution", initiator="operator")
        fresh = SeedSlot("r0c0", CHANNELS)
        fresh.load_state_dict(saved.state_dict())
        stories = []
        for slot in (saved, fresh):
            slot.channel = recorder = Recorder()
            for _ in range(9):
                slot.step_epoch()
            stories.append(recorder.events)

        assert stories[0] == stories[1]
        assert stories[0][1]["payload"]["reason"] == "low_contribution"

    def test_a_frozen_seed_is_loaded_frozen_and_thaws_with_the_ramps_end(self):
        saved = slot_in(SeedStage.HOLDING)
        saved.set_alpha_target(alpha_target=0.5, steps=2)
        fresh = SeedSlot("r0c0", CHANNELS)

        fresh.load_state_dict(saved.state_dict())

        assert not any(p.requires_grad for p in fresh.parameters())
        for _ in range(3):
            fresh.step_epoch()
        assert all(p.requires_grad for p in fresh.parameters())

    def test_the_seed_that_is_there_keeps_its_parameters(self):
        slot = slot_in(SeedStage.TRAINING)
        saved = copy.deepcopy(slot.state_dict())
        planted = list(slot.parameters())
        poison(slot)
        slot.advance_stage()

        slot.load_state_dict(saved)

        assert slot.stage is SeedStage.TRAINING
        assert [id(p) for p in slot.parameters()] == [id(p) for p in planted]
        assert all(p.isfinite().all() for p in slot.parameters())

    def test_another_seed_gives_way(self):
        slot = slot_in(SeedStage.HOLDING, blueprint_id="conv_light")

        slot.load_state_dict(slot_in(SeedStage.DORMANT).state_dict())
        assert slot.is_empty
        assert slot.seed is None

        slot.load_state_dict(slot_in(SeedStage.TRAINING, blueprint_id="depthwise").state_dict())
        assert slot.blueprint_id == "depthwise"

    def test_loading_spends_no_random_numbers(self):
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
            ({"stage": 5}, CheckpointError, "must be sound, got one whose Invalid enum value"),
            ({"blueprint_id": "resnet"}, SlotError, "no blueprint 'resnet' for cnn"),
        ],
    )
    def test_a_checkpoint_that_cannot_be_loaded_changes_nothing(self, changes, error, message):
        slot = slot_in(SeedStage.HOLDING)
        slot.schedule_prune(steps=3)
        before, planted = str(slot.state_dict()), list(slot.parameters())
        broken = slot_in(SeedStage.TRAINING).state_dict()
        broken["_extra_state"] |= changes

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
    def test_a_copy_computes_the_same_and_tells_nobody(self, copied):
        recorder = Recorder()
        slot, h = slot_in(SeedStage.BLENDING, channel=recorder), features()

        twin = copied(slot)
        twin.prune()

        assert twin.channel is not recorder
        assert not twin.channel.listening
        assert recorder.events == []
        assert slot.channel is recorder
        assert torch.equal(slot(h), copied(slot)(h))
