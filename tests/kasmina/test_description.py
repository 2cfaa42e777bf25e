"""What a network has grown is described in plain values, and grows again in a network that has grown nothing."""

import copy
import io
import json

import pytest
import torch
from torch import nn

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.description import describe, rebuild
from esper.kasmina.forward import Fossil
from esper.kasmina.graft import SlotSpec, find_slots, graft, ungraft
from esper.kasmina.slot import SeedSlot
from esper.leyline.errors import CheckpointError, SlotError
from tests.kasmina.lives import CHANNELS, PERMISSIVE, lead_to

SPEC = SlotSpec(gates=PERMISSIVE)
GATED = {"alpha_algorithm": AlphaAlgorithm.GATE, "blend_algorithm_id": "gated"}
X = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))


class Host(nn.Module):
    """A sequence classifier with a slot of its own, which it may be built without, and layers to graft."""

    def __init__(self, *, has_slot=True):
        super().__init__()
        self.embed = nn.Linear(4, CHANNELS)
        self.own = nn.Identity()
        if has_slot:
            self.own = SeedSlot("own", CHANNELS, topology="transformer", gates=PERMISSIVE)
        self.encoder = nn.TransformerEncoderLayer(CHANNELS, 2, 16, batch_first=True, dropout=0.0)
        self.head = nn.Linear(CHANNELS, 3)

    def forward(self, x):
        return self.head(self.encoder(self.own(self.embed(x))))


def grow(slot, blueprint_id="mlp_small", stage=SeedStage.FOSSILIZED, **germination):
    lead_to(slot, stage, blueprint_id, **germination)
    for parameter in slot.seed_parameters():
        nn.init.normal_(parameter, std=0.3)


def grown():
    """Return a network with fossils after three modules, one of them in its own slot, and empty slots."""
    torch.manual_seed(0)
    model = Host().eval()
    slots = graft(model, {"embed": SPEC, "encoder.*": SPEC, "head": SPEC}, example=X)
    grow(slots["embed"], "attention", **GATED)
    grow(slots["encoder.linear2"])
    grow(model.own, "lora")
    return model


@pytest.mark.parametrize("has_slot", [True, False], ids=["with its slot", "without it"])
def test_the_weights_of_an_ungrafted_network_load_into_a_rebuilt_one(has_slot):
    model = grown()
    with torch.no_grad():
        expected = model(X)
    description = json.loads(json.dumps(describe(model)))
    assert describe(ungraft(model)) == description
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)

    host = rebuild(Host(has_slot=has_slot).eval(), description)
    host.load_state_dict(torch.load(file, weights_only=True))

    with torch.no_grad():
        torch.testing.assert_close(host(X), expected)
    torch.testing.assert_close(host(X), expected)
    assert find_slots(host) == {}
    assert describe(host) == description
    assert not any(module.training for module in host.modules())


def test_rebuilding_spends_no_random_numbers_and_follows_the_host():
    description = describe(grown())
    host = Host(has_slot=False).to(torch.float64)
    random = torch.get_rng_state()

    rebuild(host, description)

    assert torch.equal(torch.get_rng_state(), random)
    assert {parameter.dtype for parameter in host.parameters()} == {torch.float64}


def test_a_network_that_has_grown_nothing_is_described_too():
    model = Host()
    graft(model, {"head": SPEC})

    assert describe(model) == {"format": 1, "fossils": {}}
    assert isinstance(rebuild(model, describe(model)).own, nn.Identity)
    assert type(model.head) is nn.Linear


def test_an_undecided_seed_cannot_be_described():
    model = Host()
    lead_to(model.own, SeedStage.HOLDING)

    with pytest.raises(SlotError, match="to be described, got 'own' in HOLDING; advance or prune"):
        describe(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "must be one that esper.describe returned, got: Invalid enum value 2"),
        ({"colour": "red"}, "must be one that .*, got: Object contains unknown field `colour`"),
        ({"fossils": {"head.seed_slot": {}}}, "got: Object missing required field"),
    ],
)
def test_another_mapping_is_refused(change, message):
    with pytest.raises(CheckpointError, match=message):
        rebuild(Host(), describe(grown()) | change)
    with pytest.raises(CheckpointError, match=r"must be one that esper.describe returned"):
        rebuild(Host(), 3)


@pytest.mark.parametrize("host", [nn.Linear(2, 2), grown()], ids=["another", "a grown one"])
def test_a_network_that_does_not_fit_is_refused_and_unchanged(host):
    description = describe(grown())
    before = str(ungraft(host))

    with pytest.raises(CheckpointError, match="must fit the model, which has no place for the fos"):
        rebuild(host, description)

    assert str(host) == before


def test_an_unknown_blueprint_is_refused_and_the_model_is_unchanged():
    description = describe(grown())
    description["fossils"]["own"]["blueprint_id"] = "mine"
    host = Host()

    with pytest.raises(SlotError, match="no blueprint 'mine' for transformer; there are"):
        rebuild(host, description)

    assert str(host) == str(Host())


class TestGrowingAgain:
    @pytest.mark.parametrize("path", ["head", "hea*", "head.seed_slot"])
    def test_a_module_with_a_fossil_gets_another_slot_after_it(self, path):
        model = Host()
        grow(graft(model, {"head": SPEC})["head"], "mlp")
        ungraft(model)
        before = model(X)

        (slot,) = graft(model, {path: SPEC}, example=X).values()
        assert torch.equal(model(X), before)
        assert list(find_slots(model)) == ["head.seed_slot.seed_slot"]
        grow(slot, "norm")

        assert torch.equal(model(X), slot.seed(before))
        description = describe(ungraft(model))
        host = rebuild(Host(), description)
        host.load_state_dict(model.state_dict())
        torch.testing.assert_close(host(X), model(X))

    def test_what_a_slot_after_a_fossil_needs_is_known_without_an_example(self):
        model = nn.Sequential(nn.Identity())
        spec = SlotSpec(channels=CHANNELS, layout="TBC", gates=PERMISSIVE)
        grow(graft(model, {"0": spec})["0"])
        ungraft(model)

        slot = graft(model, {"0": SPEC})["0"]

        assert (slot.channels, slot.layout.name) == (CHANNELS, "TBC")

    def test_without_a_second_fossil_the_first_one_stays_as_it_was(self):
        model = Host()
        grow(graft(model, {"head": SPEC})["head"])
        ungraft(model)
        before, keys = model(X), list(model.state_dict())
        graft(model, {"head": SPEC})

        ungraft(model)

        assert torch.equal(model(X), before)
        assert list(model.state_dict()) == keys
        assert type(model.head.seed_slot) is Fossil


class TestMerge:
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("name", ["lora", "lora_large"])
    def test_a_low_rank_fossil_becomes_part_of_its_layer(self, name, bias):
        model = nn.Sequential(nn.Linear(4, CHANNELS, bias=bias), nn.ReLU())
        grow(graft(model, {"0": SPEC})["0"], name)
        before, weight = model(X), model[0].weight

        ungraft(model, merge=True)

        torch.testing.assert_close(model(X), before)
        assert type(model[0]) is nn.Linear
        assert model[0].weight is weight
        assert list(model.state_dict()) == (["0.weight", "0.bias"] if bias else ["0.weight"])
        assert describe(model)["fossils"] == {}

    def test_a_fossil_that_left_its_slot_before_is_merged_too(self):
        model = nn.Sequential(nn.Linear(4, CHANNELS))
        grow(graft(model, {"0": SPEC})["0"], "lora")

        ungraft(ungraft(model), merge=True)

        assert type(model[0]) is nn.Linear

    @pytest.mark.parametrize("later", ["lora", "mlp_small"])
    def test_fossils_of_a_network_that_was_grafted_again_are_merged_up_to_the_first_that_cannot_be(
        self, later
    ):
        model = nn.Sequential(nn.Linear(4, CHANNELS))
        grow(graft(model, {"0": SPEC})["0"], "lora")
        ungraft(model)
        grow(graft(model, {"0": SPEC})["0"], later)
        before = model(X)

        ungraft(model, merge=True)

        torch.testing.assert_close(model(X), before)
        fossils = describe(model)["fossils"]
        assert {path: fossil["blueprint_id"] for path, fossil in fossils.items()} == (
            {} if later == "lora" else {"0.seed_slot": later}
        )
        loaded = rebuild(nn.Sequential(nn.Linear(4, CHANNELS)), describe(model))
        loaded.load_state_dict(model.state_dict())
        assert torch.equal(loaded(X), model(X))

    @pytest.mark.parametrize("case", ["mlp", "gate", "norm layer", "tied", "lora after mlp"])
    def test_what_is_not_linear_or_shared_stays_a_fossil(self, case):
        layer = nn.LayerNorm(4) if case == "norm layer" else nn.Linear(4, 4)
        model = nn.Sequential(layer, nn.Linear(4, 4))
        if case == "tied":
            model[1].weight = model[0].weight
        slot = graft(model, {"0": SPEC})["0"]
        is_mlp = case in ("mlp", "lora after mlp")
        grow(slot, "mlp" if is_mlp else "lora", **(GATED if case == "gate" else {}))
        if case == "lora after mlp":
            ungraft(model)
            grow(graft(model, {"0": SPEC})["0"], "lora")
        twin = copy.deepcopy(model)

        ungraft(model, merge=True)

        assert torch.equal(model(X), twin(X))
        assert describe(model) == describe(twin)
