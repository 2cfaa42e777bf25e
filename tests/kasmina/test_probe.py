"""Grafting finds out what passes through each slot by running the network once on an example."""

import copy
from collections import namedtuple

import pytest
import torch
from torch import nn

from esper._generated.enums import SeedStage
from esper.kasmina.graft import SlotSpec, find_slots, graft
from esper.leyline.errors import SlotError
from tests.kasmina.lives import PERMISSIVE, lead_to

SPEC = SlotSpec(gates=PERMISSIVE)


class Through(nn.Module):
    """Applies a layer, then a function of its output."""

    def __init__(self, layer, then):
        super().__init__()
        self.layer, self.then = layer, then

    def forward(self, x):
        return self.then(self.layer(x))


def encoder(*, batch_first):
    return nn.TransformerEncoderLayer(8, 2, 12, batch_first=batch_first)


IMAGES, TOKENS = torch.randn(2, 3, 9, 7), torch.randn(2, 5, 4)
NETWORKS = {
    "conv2d": (nn.Conv2d(3, 8, 3), IMAGES, "0", "BCHW", 8),
    "after an activation": (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()),
        IMAGES,
        "0.1",
        "BCHW",
        8,
    ),
    "flattened": (nn.Sequential(nn.Conv2d(3, 8, (9, 7)), nn.Flatten()), IMAGES, "0", "BC", 8),
    "channels last": (nn.Linear(7, 8), IMAGES, "0", "BHWC", 8),
    "permuted": (
        Through(nn.Conv2d(3, 8, 3), lambda x: x.permute(0, 2, 3, 1)),
        IMAGES,
        "0",
        "BHWC",
        8,
    ),
    "patches": (
        Through(nn.Conv2d(3, 8, 3), lambda x: x.flatten(2).transpose(1, 2)),
        IMAGES,
        "0",
        "BTC",
        8,
    ),
    "pooled": (Through(nn.Conv2d(3, 8, 3), lambda x: x.mean((2, 3))), IMAGES, "0", "BC", 8),
    "conv1d": (nn.Conv1d(5, 8, 3), TOKENS, "0", "BCL", 8),
    "batch norm": (nn.BatchNorm1d(5), TOKENS, "0", "BCL", 5),
    "linear": (nn.Linear(4, 8), TOKENS, "0", "BTC", 8),
    "vectors": (nn.Linear(4, 8), torch.randn(2, 4), "0", "BC", 8),
    "embedding": (nn.Embedding(9, 8), torch.zeros(2, 5, dtype=torch.long), "0", "BTC", 8),
    "lstm": (nn.LSTM(4, 8), TOKENS, "0", "TBC", 8),
    "lstm, batch first": (nn.LSTM(4, 8, batch_first=True), TOKENS, "0", "BTC", 8),
    "encoder": (encoder(batch_first=False), torch.randn(2, 5, 8), "0", "TBC", 8),
    "in an encoder": (encoder(batch_first=False), torch.randn(2, 5, 8), "0.linear1", "TBC", 12),
    "encoder, batch first": (encoder(batch_first=True), torch.randn(2, 5, 8), "0", "BTC", 8),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_and_layout_are_those_of_the_output(name):
    layer, example, path, layout, channels = copy.deepcopy(NETWORKS[name])
    model = nn.Sequential(layer)

    slot = graft(model, {path: SPEC}, example=example)[path]

    assert (slot.layout.name, slot.channels) == (layout, channels)
    assert slot.topology == slot.layout.topology
    lead_to(slot, SeedStage.BLENDING)
    model(example)


@pytest.mark.parametrize(
    ("layer", "layout"),
    [
        (nn.Conv1d(5, 8, 3), "BCL"),
        (nn.Linear(4, 8), "BTC"),
        (encoder(batch_first=False), "TBC"),
        (encoder(batch_first=True), "BTC"),
    ],
    ids=["conv1d", "linear", "encoder", "encoder, batch first"],
)
def test_without_an_example_the_class_tells_them(layer, layout):
    assert graft(nn.Sequential(layer), {"0": SPEC})["0"].layout.name == layout


def test_the_run_leaves_no_trace():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5))
    model[2].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()

    graft(model, {"1": SPEC}, example=IMAGES)

    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    assert torch.equal(torch.get_rng_state(), random)
    assert [module.training for module in model] == [True, True, False]
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("example", [(IMAGES, 2.0), {"x": IMAGES, "scale": 2.0}])
def test_the_example_may_be_several_arguments(example):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x, scale):
            return scale * self.conv(x)

    assert graft(Scaled(), {"": SPEC}, example=example)[""].channels == 8


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            SlotSpec(channels=9),
            r"got 9 for '0', a Conv2d with 8, whose output on the example has shape \(2, 8, 7, 5\);"
            r" write SlotSpec\(channels=8\)",
        ),
        (
            SlotSpec(topology="transformer"),
            r"must have the topology of its module's output, got 'transformer' for '0', whose",
        ),
        (SlotSpec(topology="conv1d"), "got 'conv1d' for '0', whose output on the example has"),
        (SlotSpec(layout="BHWC", channels=8), "got 8 for '0', a Conv2d with 5, whose output"),
        (SlotSpec(layout="BCL"), "got 'conv1d' for '0', whose output on the example"),
    ],
)
def test_a_spec_that_disagrees_with_the_example_is_refused(spec, message):
    model = nn.Sequential(nn.Conv2d(3, 8, 3))

    with pytest.raises(SlotError, match=message):
        graft(model, {"0": spec}, example=IMAGES)

    assert find_slots(model) == {}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Through(nn.Identity(), lambda x: {"x": x}),
            "got dict from '0', a Through; graft a module",
        ),
        (Through(nn.Identity(), lambda x: x.sum()), r"got shape \(\) from '0', a Through"),
        (
            Through(nn.Identity(), lambda x: x[:, 0]),
            r"order of the dimensions at '0' must be known, got shape \(2, 9, 7\) and no layer of",
        ),
    ],
)
def test_an_output_that_cannot_be_described_is_refused(layer, message):
    with pytest.raises(SlotError, match=message):
        graft(nn.Sequential(layer), {"0": SPEC}, example=IMAGES)


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64])
def test_features_are_floating_point_numbers(dtype):
    layer = Through(nn.Conv2d(3, 8, 3), lambda x: x.to(dtype))

    with pytest.raises(SlotError, match=rf"floating point dtype, got {dtype} from '0', a Through"):
        graft(nn.Sequential(layer), {"0": SPEC}, example=IMAGES)
    slot = graft(nn.Sequential(layer), {"0": SlotSpec(channels=8, gates=PERMISSIVE)})["0"]
    lead_to(slot, SeedStage.TRAINING)
    with pytest.raises(SlotError, match=rf"slot '0' must get .* floating point .*, got {dtype};"):
        layer(IMAGES)


class NormOfChannels(nn.LayerNorm):
    """Normalises dimension 1 of images, as in ConvNeXt."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("size", [8, 9])
def test_a_norm_that_permutes_inside_keeps_the_channels_where_they_are(size):
    model = nn.Sequential(nn.Conv2d(3, 8, 1), NormOfChannels(8), nn.Identity())

    slots = graft(model, {"1": SPEC, "2": SPEC}, example=torch.randn(1, 3, 5, size))

    assert [slot.layout.name for slot in slots.values()] == ["BCHW", "BCHW"]


# PyTorch warns of lazy modules itself.
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")
def test_a_lazy_module_is_grafted_once_it_has_parameters():
    model = nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    relu = graft(model, {"1": SlotSpec(channels=8)})["1"]
    assert relu.training

    with pytest.raises(SlotError, match=r"must have its parameters, got '0', a LazyConv2d; pass"):
        graft(model, {"0": SlotSpec(channels=8)})
    assert len(find_slots(model)) == 1
    graft(model, {"0": SPEC}, example=IMAGES)
    assert [slot.channels for slot in find_slots(model).values()] == [8, 8]


def test_unknown_channels_ask_for_an_example():
    with pytest.raises(SlotError, match=r"must be known, got '0', a Identity; pass example= to gr"):
        graft(nn.Sequential(nn.Identity()), {"0": SPEC})


Named = namedtuple("Named", ["features", "weights"])


@pytest.mark.parametrize("kind", [tuple, Named._make], ids=["tuple", "named"])
def test_the_features_may_be_the_first_element_of_a_tuple(kind):
    model = nn.Sequential(Through(nn.Linear(4, 8), lambda x: kind((x, "other"))))
    before = model(TOKENS)
    slot = graft(model, {"0": SPEC}, example=TOKENS)["0"]
    lead_to(slot, SeedStage.FOSSILIZED, "mlp")

    after = model(TOKENS)

    assert type(after) is type(before)
    assert after[1] == "other"
    assert torch.equal(after[0], slot(before[0]))


class TestPatterns:
    def model(self):
        blocks = [nn.ModuleDict({"up": nn.Linear(4, 8), "down": nn.Linear(8, 4)}) for _ in range(3)]
        return nn.ModuleDict({"layers": nn.ModuleList(blocks), "head": nn.Linear(4, 2)})

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("layers.*.up", ["layers.0.up", "layers.1.up", "layers.2.up"]),
            ("layers.1.*", ["layers.1.up", "layers.1.down"]),
            ("**.down", ["layers.0.down", "layers.1.down", "layers.2.down"]),
            ("he*", ["head"]),
        ],
    )
    def test_a_pattern_grafts_every_match(self, pattern, expected):
        assert list(graft(self.model(), {pattern: SPEC})) == expected

    def test_a_later_path_overrides_a_pattern(self):
        slots = graft(self.model(), {"layers.*.up": SPEC, "layers.1.up": SlotSpec(slot_id="mine")})

        assert [slot.slot_id for slot in slots.values()] == ["layers.0.up", "mine", "layers.2.up"]

    def test_a_pattern_skips_what_has_no_forward_pass(self):
        model = nn.Module()
        model.blocks = nn.ModuleList([nn.Linear(4, 8), nn.Linear(8, 8)])
        model.scales = nn.ParameterList([torch.ones(1)])

        assert list(graft(model, {"b**": SPEC})) == ["blocks.0", "blocks.1"]
        with pytest.raises(SlotError, match="a class that defines its forward, got 'scales'"):
            graft(model, {"scales": SPEC})

    def test_a_pattern_without_a_match_is_refused(self):
        with pytest.raises(SlotError, match=r"must match a module of the model, got 'blocks\.\*'"):
            graft(self.model(), {"blocks.*": SPEC})

    def test_a_pattern_does_not_match_slots_and_what_is_in_them(self):
        model = self.model()
        lead_to(graft(model, {"head": SPEC})["head"], SeedStage.GERMINATED)

        with pytest.raises(SlotError, match=r"must match a module of the model, got 'head\.\*\*'"):
            graft(model, {"head.**": SPEC})

    def test_two_slots_of_one_name_are_refused(self):
        with pytest.raises(
            ValueError, match=r"names of their own, got 'a' for 'layers\.0\.up' and "
        ):
            graft(self.model(), {"layers.*.up": SlotSpec(slot_id="a")})


def test_a_long_path_names_its_slot_by_its_end():
    model = nn.Linear(4, 8)
    for _ in range(20):
        model = nn.ModuleDict({"inner": model})
    path = ".".join(["inner"] * 20)

    slot = graft(model, {path: SPEC})[path]

    assert slot.slot_id == "..." + path[-61:]
    assert len(slot.slot_id) == 64


def test_the_model_itself_can_be_grafted():
    assert graft(nn.Linear(4, 8), {"": SPEC})[""].slot_id == "model"
