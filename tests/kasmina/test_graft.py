"""Slots are added to networks that were written without them, and removed again."""

import copy
import pickle

import pytest
import torch
from torch import nn

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.gates import QualityGates
from esper.kasmina.graft import SlotSpec, find_slots, graft, ungraft
from esper.leyline.errors import SlotError
from tests.kasmina.lives import CHANNELS, PERMISSIVE, lead_to
from tests.kasmina.replay import Recorder

SPEC = SlotSpec(channels=CHANNELS, gates=PERMISSIVE)
IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def net() -> nn.Module:
    """Return a network of a layer, a sequence that ends in a shared layer, that layer again, and a head."""
    torch.manual_seed(0)
    shared = nn.Tanh()
    body = nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), shared)
    layers = {
        "stem": nn.Conv2d(1, CHANNELS, 3),
        "body": body,
        "again": shared,
        "flat": nn.Flatten(),
    }
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 3))
    return nn.Sequential(nn.ModuleDict(layers)["stem"], layers["body"], layers["again"], head)


@pytest.mark.parametrize("path", ["0", "1", "1.0", "3"])
def test_an_empty_slot_changes_no_output_and_no_key(path):
    plain, model = net(), net()
    kind = type(model.get_submodule(path))

    (slot,) = graft(model, {path: SPEC}).values()

    assert torch.equal(model(IMAGES), plain(IMAGES))
    assert isinstance(model.get_submodule(path), kind)
    assert set(plain.state_dict()) < set(model.state_dict())
    assert list(find_slots(model).values()) == [slot]
    model.load_state_dict(plain.state_dict(), strict=False)


@pytest.mark.parametrize("path", ["0", "1"])
def test_the_seed_gets_the_output_of_the_module(path):
    plain, model = net(), net()
    slot = graft(model, {path: SPEC})[path]
    lead_to(slot, SeedStage.FOSSILIZED, "conv_light")

    expected = IMAGES
    for name, module in plain.named_children():
        expected = module(expected)
        if name == path:
            expected = slot.seed(expected)

    assert torch.equal(model(IMAGES), expected)


def test_a_slot_is_not_a_member_of_its_sequence():
    model = net()
    body = model[1]
    members = list(body)

    graft(model, {"1": SPEC})

    assert (len(body), list(body), body[-1]) == (2, members, members[-1])


def test_a_slot_follows_its_spec_and_its_module():
    recorder, gates = Recorder(), QualityGates(min_contribution=3.0)
    spec = SlotSpec(channels=CHANNELS, topology="transformer", slot_id="mine", gates=gates)
    model = net().to(torch.float64).eval()

    slots = graft(model, {"0": spec, "1": SPEC}, channel=recorder)

    assert (slots["0"].slot_id, slots["1"].slot_id) == ("mine", "1")
    assert (slots["0"].topology, slots["0"].gates) == ("transformer", gates)
    assert slots["0"].channel is recorder
    slots["1"].germinate("norm")
    assert slots["1"].seed.scale.dtype is torch.float64
    assert not slots["1"].seed.training


# PyTorch emits this warning itself when it compiles an autograd function.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_a_network_compiled_before_germination_follows_the_stages_of_the_seed():
    model = net()
    slot = graft(model, {"1": SPEC})["1"]
    graphs = []
    torch.compiler.reset()
    compiled = torch.compile(model, backend=lambda graph, _: graphs.append(graph) or graph.forward)

    def outcome(module) -> list[torch.Tensor]:
        """Return output and gradients."""
        model.zero_grad()
        output = module(IMAGES)
        output.square().sum().backward()
        return [output, *(p.grad for p in model.parameters() if p.grad is not None)]

    def agrees() -> bool:
        pairs = zip(outcome(compiled), outcome(model), strict=True)
        return all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)

    assert agrees()
    slot.germinate("conv_light", blend_tempo_epochs=5)
    slot.advance_stage()
    slot.record_accuracy(1.0)
    assert agrees()
    slot.advance_stage()
    slot.step_epoch()
    assert agrees()
    num_graphs = len(graphs)
    for _ in range(3):
        slot.step_epoch()
        assert agrees()
    assert len(graphs) == num_graphs
    slot.prune()
    assert agrees()


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["copied", "pickled"],
)
def test_a_copy_of_a_grafted_network_computes_the_same(copied):
    model = net()
    slots = graft(model, {"0": SPEC, "1": SPEC})
    lead_to(slots["1"], SeedStage.BLENDING, "conv_light")

    twin = copied(model)

    assert torch.equal(twin(IMAGES), model(IMAGES))
    assert [slot.stage for slot in find_slots(twin).values()] == [
        SeedStage.DORMANT,
        SeedStage.BLENDING,
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("9", r"must be in the model, got '9'; the closest paths are: '\d\S*', "),
        ("1.1", "must be in one place only, got '1.1', which is shared; give it a copy"),
        (
            "4",
            "must have a class that defines its forward, got '4', a ModuleList; graft a module in it",
        ),
        ("5", "must have a class that defines its forward, got '5', a Identity"),
        ("0", "must have no slot yet, got '0'; leave it out"),
        ("0.seed_slot", "must have no slot yet, got '0.seed_slot'; leave it out"),
    ],
)
def test_a_path_that_cannot_be_grafted_is_rejected_and_nothing_changes(path, message):
    model = net()
    model.append(nn.ModuleList([nn.Identity()]))
    model.append(nn.Identity())
    model[5].forward = lambda x: x
    graft(model, {"0": SPEC})

    with pytest.raises(SlotError, match=message):
        graft(model, {"3": SPEC, path: SPEC})

    assert len(find_slots(model)) == 1


class Pair(nn.Module):
    """Returns a dict, which no slot can take."""

    def forward(self, x):
        return {"x": x}


def test_a_module_that_returns_no_tensor_is_rejected_in_its_forward_pass():
    model = nn.Sequential(Pair())
    graft(model, {"0": SPEC})

    with pytest.raises(SlotError, match=r"must return a tensor, .*, got dict from Pair; graft a"):
        model(torch.zeros(1, 2, 3))


def test_the_path_of_the_model_itself_is_the_closest_when_it_has_no_modules():
    with pytest.raises(SlotError, match=r"got 'head'; the closest paths are: ''$"):
        graft(nn.Tanh(), {"head": SPEC})


class TestUngraft:
    def test_without_fossils_the_network_is_the_original_one(self):
        plain, model = net(), net()
        slots = graft(model, {"0": SPEC, "1": SPEC})
        lead_to(slots["0"], SeedStage.PRUNED)

        assert ungraft(model) is model

        assert [type(m) for m in model.modules()] == [type(m) for m in plain.modules()]
        assert str(model.state_dict()) == str(plain.state_dict())
        assert len(model[1]) == 2

    @pytest.mark.parametrize(
        "algorithm", [AlphaAlgorithm.ADD, AlphaAlgorithm.MULTIPLY], ids=lambda a: a.name
    )
    def test_fossils_stay_as_ordinary_modules(self, algorithm):
        model = net()
        slot = graft(model, {"1": SPEC})["1"]
        lead_to(slot, SeedStage.FOSSILIZED, "conv_light", alpha_algorithm=algorithm)
        before, weights = model(IMAGES), {id(p) for p in model.parameters()}

        ungraft(model)

        assert torch.equal(model(IMAGES), before)
        assert {id(p) for p in model.parameters()} == weights
        assert find_slots(model) == {}
        assert all(isinstance(value, torch.Tensor) for value in model.state_dict().values())
        assert torch.equal(pickle.loads(pickle.dumps(model))(IMAGES), before)

    def test_an_undecided_seed_is_rejected_and_all_slots_stay(self):
        model = net()
        slots = graft(model, {"0": SPEC, "1": SPEC})
        lead_to(slots["1"], SeedStage.HOLDING)

        with pytest.raises(SlotError, match=r"got '1.seed_slot' in HOLDING; advance or prune it"):
            ungraft(model)

        assert len(find_slots(model)) == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"channels": 0}, "channels must be positive, got 0"),
        ({"channels": "8"}, "channels must be a whole number, got '8'"),
        (
            {"channels": 8, "topology": "rnn"},
            "topology must be one of cnn, transformer, conv1d, mlp, got 'rnn'",
        ),
        ({"channels": 8, "slot_id": "s" * 65}, "slot_id must have 1 to 64 characters"),
        ({"channels": 8, "gates": 3}, "gates must be of type Gates, got 3"),
    ],
)
def test_a_spec_out_of_range_is_refused_when_it_is_built(values, message):
    with pytest.raises(ValueError, match=message):
        SlotSpec(**values)


@pytest.mark.parametrize(
    ("model", "specs", "message"),
    [
        (None, ["fc"], r"specs must be a mapping .*, got a value of type list; write {\"path"),
        (None, {"fc": 3}, r"the spec of 'fc' must be of type SlotSpec, got 3; write SlotSpec\("),
        (None, {3: SPEC}, "a path of a module must be of type str, got 3"),
        ("x", {}, "a model to graft must be of type Module, got 'x'"),
    ],
)
def test_arguments_of_another_type_are_refused(model, specs, message):
    with pytest.raises(ValueError, match=message):
        graft(nn.Sequential(nn.Linear(2, 2)) if model is None else model, specs)
    with pytest.raises(ValueError, match="a model must be of type Module, got 'x'"):
        find_slots("x")


@pytest.mark.parametrize(
    ("module", "topology"),
    [
        (nn.Conv2d(1, 8, 1), "cnn"),
        (nn.ConvTranspose2d(1, 8, 1), "cnn"),
        (nn.BatchNorm2d(8), "cnn"),
        (nn.Linear(2, 8), "transformer"),
        (nn.Embedding(2, 8), "transformer"),
        (nn.LayerNorm(8), "transformer"),
        (nn.TransformerEncoderLayer(8, 2, 16), "transformer"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else value,
)
def test_channels_that_the_module_tells_are_checked(module, topology):
    model = nn.Sequential(module)

    message = rf"got 3 for '0', a {type(module).__name__} with 8; write SlotSpec\(channels=8\)"
    with pytest.raises(SlotError, match=message):
        graft(model, {"0": SlotSpec(channels=3, topology=topology)})
    assert find_slots(model) == {}
    assert graft(model, {"0": SlotSpec(channels=8, topology=topology)})["0"].channels == 8


def test_a_grafted_slot_is_found_by_its_own_path():
    model = nn.Sequential(nn.Conv2d(1, 8, 1))

    slots = graft(model, {"0": SlotSpec(channels=8)})

    assert find_slots(model) == {"0.seed_slot": slots["0"]}


def test_a_file_from_before_grafting_loads_while_the_slot_is_empty():
    model = nn.Sequential(nn.Conv2d(3, CHANNELS, 3))
    saved = {name: value + 1 for name, value in model.state_dict().items()}
    slot = graft(model, {"0": SlotSpec(gates=PERMISSIVE)})["0"]

    model.load_state_dict(saved)

    assert torch.equal(model[0].weight, saved["0.weight"])
    lead_to(slot, SeedStage.TRAINING)
    with pytest.raises(RuntimeError, match=r"Missing key.*0.seed_slot._extra_state"):
        model.load_state_dict(saved)
