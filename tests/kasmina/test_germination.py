"""A germination is validated before anything is built."""

import pytest
import torch

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper._generated.fields import EVENT_FIELDS
from esper.kasmina.blueprints.registry import MAX_NAME_LENGTH
from esper.kasmina.slot import SeedSlot
from esper.kasmina.state import MAX_INITIATOR_LENGTH, MAX_REASON_LENGTH
from esper.kasmina.topology import MAX_SLOT_ID_LENGTH
from esper.leyline.errors import SlotError
from tests.kasmina.lives import UNDECIDED, slot_in
from tests.kasmina.replay import Recorder

GATED = {"alpha_algorithm": AlphaAlgorithm.GATE, "blend_algorithm_id": "gated"}
NOT_EMPTY = [*UNDECIDED, SeedStage.FOSSILIZED, SeedStage.PRUNED, SeedStage.EMBARGOED]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha_target": 0.0}, r"alpha_target must be in \(0, 1\], got 0.0"),
        ({"alpha_target": 1.1}, r"alpha_target must be in \(0, 1\], got 1.1"),
        ({"alpha_target": float("nan")}, r"alpha_target must be in \(0, 1\], got nan"),
        ({"blend_tempo_epochs": 0}, "blend_tempo_epochs must be at least 1, got 0"),
        ({"blend_algorithm_id": "abrupt"}, "one of linear, sigmoid, gated, got 'abrupt'"),
        (
            {"blend_algorithm_id": "gated"},
            "needs both .*, got 'gated' and ADD; set both or neither",
        ),
        ({"alpha_algorithm": AlphaAlgorithm.GATE}, "needs both .*, got 'sigmoid' and GATE"),
        ({"seed_id": ""}, "must have an id and a blueprint, got seed id ''; blueprint 'norm'"),
        ({"blueprint_id": ""}, "must have an id and a blueprint"),
        ({"blend_tempo_epochs": 2.5}, "blend_tempo_epochs must be a whole number, got 2.5"),
        ({"blend_tempo_epochs": True}, "blend_tempo_epochs must be a whole number, got True"),
        ({"alpha_algorithm": "ADD"}, r"type AlphaAlgorithm, got 'ADD'; use AlphaAlgorithm\.ADD, "),
        ({"alpha_algorithm": 1}, "alpha_algorithm must be of type AlphaAlgorithm, got 1"),
        ({"alpha_target": "1"}, "alpha_target must be a number, got '1'"),
        ({"blend_algorithm_id": ["linear"]}, "one of linear, sigmoid, gated, got "),
        ({"seed_id": 3}, "seed_id must be of type str, got 3"),
        ({"blueprint_id": ["norm"]}, "blueprint_id must be of type str, got a value of type list"),
        ({"blueprint_id": "resnet"}, "no blueprint 'resnet' for cnn; there are: "),
    ],
)
def test_an_invalid_germination_leaves_the_slot_empty_and_emits_nothing(arguments, message):
    recorder = Recorder()
    slot = SeedSlot("r0c0", 8, channel=recorder)

    with pytest.raises(SlotError, match=message):
        slot.germinate(**{"blueprint_id": "norm"} | arguments)

    assert slot.is_empty
    assert slot.seed is slot.gate is None
    assert recorder.events == []


@pytest.mark.parametrize("stage", NOT_EMPTY, ids=lambda stage: stage.name)
def test_only_an_empty_slot_can_germinate(stage):
    slot = slot_in(stage)
    before = slot.state_dict()

    with pytest.raises(SlotError, match=f"r0c0 must be empty to germinate, got stage {stage.name}"):
        slot.germinate("conv_light")

    assert str(slot.state_dict()) == str(before)


def test_a_seed_is_named_after_slot_and_blueprint_by_default():
    assert slot_in(SeedStage.GERMINATED).seed_id == "r0c0-norm"
    assert slot_in(SeedStage.GERMINATED, seed_id="mine").seed_id == "mine"


def test_ids_may_be_as_long_as_the_contract_allows():
    lengths = {field.name: field.max_length for field in EVENT_FIELDS["SEED_GERMINATED"]}

    assert lengths["slot_id"] == MAX_SLOT_ID_LENGTH
    assert lengths["blueprint_id"] == MAX_NAME_LENGTH
    lengths = {field.name: field.max_length for field in EVENT_FIELDS["SEED_PRUNED"]}
    assert lengths["reason"] == MAX_REASON_LENGTH
    assert lengths["initiator"] == MAX_INITIATOR_LENGTH


def test_all_parameters_exist_from_germination_on():
    slot = slot_in(
        SeedStage.GERMINATED, alpha_algorithm=AlphaAlgorithm.GATE, blend_algorithm_id="gated"
    )
    planted = list(slot.seed_parameters())

    slot.advance_stage()
    slot.record_accuracy(1.0)
    slot.advance_stage()

    assert slot.stage is SeedStage.BLENDING
    assert [id(p) for p in slot.seed_parameters()] == [id(p) for p in planted]
    assert slot.num_seed_params == 17 + 21


def test_numbers_of_numpy_can_be_saved_and_loaded():
    np = pytest.importorskip("numpy")
    slot = SeedSlot("r0c0", np.int64(8))
    slot.germinate("norm", blend_tempo_epochs=np.int64(3), alpha_target=np.float32(0.5))
    other = SeedSlot("r0c0", 8)

    other.load_state_dict(slot.state_dict())

    assert other.blend_tempo_epochs == 3


class TestRandomNumbers:
    def weights(self, slot_id="r0c0", *, draws=0, **germination):
        """Return the weights of a new seed, and PyTorch's next random number."""
        torch.manual_seed(0)
        torch.rand(draws)
        slot = SeedSlot(slot_id, 8)
        slot.germinate("conv_light", **germination)
        return torch.cat([p.flatten() for p in slot.parameters()]), torch.rand(())

    @pytest.mark.parametrize("germination", [{}, GATED], ids=["add", "gate"])
    @pytest.mark.parametrize("seed", [None, 3])
    def test_planting_spends_none_of_the_callers(self, germination, seed):
        generator = None if seed is None else torch.Generator().manual_seed(seed)

        _, following = self.weights(**germination, generator=generator)

        torch.manual_seed(0)
        assert torch.equal(following, torch.rand(()))

    def test_a_gate_that_is_added_later_spends_none_either(self):
        slot = slot_in(SeedStage.HOLDING)
        before = torch.get_rng_state()

        slot.set_alpha_target(alpha_target=1.0, steps=1, alpha_algorithm=AlphaAlgorithm.GATE)

        assert slot.gate is not None
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_weights_depend_on_the_state_of_the_generator_and_on_the_names(self):
        first, _ = self.weights()

        assert torch.equal(self.weights()[0], first)
        assert not torch.equal(self.weights(draws=1)[0], first)
        assert not torch.equal(self.weights("r0c1")[0], first)
        assert not torch.equal(self.weights(seed_id="other")[0], first)

    def test_a_generator_decides_alone_and_gives_other_weights_each_time(self):
        generator = torch.Generator().manual_seed(3)
        first, _ = self.weights(generator=generator)
        second, _ = self.weights(generator=generator)
        again, _ = self.weights(draws=5, generator=torch.Generator().manual_seed(3))

        assert torch.equal(first, again)
        assert not torch.equal(first, second)

    def test_a_generator_of_another_type_is_refused(self):
        slot = SeedSlot("r0c0", 8)

        with pytest.raises(SlotError, match="generator must be of type Generator, got 3"):
            slot.germinate("norm", generator=3)

        assert slot.is_empty
