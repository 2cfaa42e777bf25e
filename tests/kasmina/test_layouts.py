"""Slots take features of every layout, treat each sample by itself, and refuse other shapes by the slot's name."""

import pytest
import torch
from torch import nn

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.attention import SelfAttention
from esper.kasmina.blueprints.registry import blueprint_ids, build_seed
from esper.kasmina.graft import SlotSpec, graft
from esper.kasmina.padding import find_padding, mask_places
from esper.kasmina.slot import SeedSlot
from esper.kasmina.topology import LAYOUTS
from esper.leyline.errors import SlotError
from tests.kasmina.lives import CHANNELS, PERMISSIVE, lead_to

SHAPES = {
    "BCHW": (3, CHANNELS, 5, 6),
    "BHWC": (3, 5, 6, CHANNELS),
    "BTC": (3, 5, CHANNELS),
    "TBC": (5, 3, CHANNELS),
    "BCL": (3, CHANNELS, 5),
    "BC": (3, CHANNELS),
}
BLENDING = [
    {"alpha_algorithm": AlphaAlgorithm.ADD, "blend_algorithm_id": "linear"},
    {"alpha_algorithm": AlphaAlgorithm.MULTIPLY, "blend_algorithm_id": "linear"},
    {"alpha_algorithm": AlphaAlgorithm.GATE, "blend_algorithm_id": "gated"},
]
LAYOUT_BLUEPRINTS = [
    (layout, name) for layout in LAYOUTS for name in blueprint_ids(LAYOUTS[layout].topology)
]
ATTENTION = ["attention", "attention_all"]
X, OTHER = torch.zeros(1, 3, CHANNELS), torch.zeros(1, 3)
MASK = torch.tensor([[False, False, True]])


def inputs(layout, seed=0):
    return torch.randn(SHAPES[layout], generator=torch.Generator().manual_seed(seed))


def grown(layout, stage=SeedStage.BLENDING, blueprint_id="norm", **germination):
    """Return a slot whose seed has large random weights."""
    slot = SeedSlot("r0c0", CHANNELS, layout=layout, gates=PERMISSIVE)
    lead_to(slot, stage, blueprint_id, **germination)
    generator = torch.Generator().manual_seed(1)
    for parameter in slot.seed_parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return slot


@pytest.mark.parametrize("germination", BLENDING, ids=["add", "multiply", "gate"])
@pytest.mark.parametrize(("layout", "name"), LAYOUT_BLUEPRINTS)
def test_a_sample_depends_on_itself_only(layout, name, germination):
    slot, x = grown(layout, blueprint_id=name, **germination), inputs(layout)
    axis = layout.index("B")

    output = slot(x)

    assert output.shape == x.shape
    for index in range(3):
        alone = slot(x.narrow(axis, index, 1))
        torch.testing.assert_close(output.narrow(axis, index, 1), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("germination", BLENDING, ids=["add", "multiply", "gate"])
@pytest.mark.parametrize("layout", ["BHWC", "TBC"])
def test_it_computes_the_same_as_in_the_layout_of_seeds(layout, germination):
    name = "conv_light" if layout == "BHWC" else "attention"
    other = grown(layout, blueprint_id=name, **germination)
    usual = grown("BCHW" if layout == "BHWC" else "BTC", blueprint_id=name, **germination)
    x, permuted = inputs(layout), LAYOUTS[layout].seed_view(inputs(layout))

    torch.testing.assert_close(LAYOUTS[layout].seed_view(other(x)), usual(permuted))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_in_training_the_host_is_alone_and_the_seed_learns(layout):
    slot, x = grown(layout, SeedStage.TRAINING), inputs(layout).requires_grad_()

    output = slot(x)
    output.square().sum().backward()

    assert torch.equal(output, x)
    assert torch.equal(x.grad, 2 * x)
    slot.check_seed_ran()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_fossil_computes_the_same_without_its_slot(layout):
    slot = grown(layout, SeedStage.FOSSILIZED, **BLENDING[2])

    assert torch.equal(slot.to_fossil()(inputs(layout)), slot(inputs(layout)))


@pytest.mark.parametrize(
    ("layout", "shape", "expected"),
    [
        ("BCHW", (CHANNELS, CHANNELS, 40), r"\(B, C, H, W\) with C = 8, got shape \(8, 8, 40\)"),
        ("BCHW", (2, 3, 4, 4), r"with C = 8, got shape \(2, 3, 4, 4\)"),
        ("BHWC", (2, CHANNELS, 4, 4), r"\(B, H, W, C\) with C = 8, got shape"),
        ("BTC", (2, 5, 9), r"\(B, T, C\) with C = 8, got shape \(2, 5, 9\); describe"),
        ("BTC", (2, 5, 5, CHANNELS), r"got shape \(2, 5, 5, 8\)"),
        ("BTC", (CHANNELS,), r"got shape \(8,\)"),
        ("TBC", (2, CHANNELS), r"\(T, B, C\) with C = 8, got shape \(2, 8\)"),
        ("BCL", (2, CHANNELS), r"\(B, C, L\) with"),
        ("BC", (2, 5, CHANNELS), r"\(B, C\) with"),
    ],
)
@pytest.mark.parametrize("stage", [SeedStage.TRAINING, SeedStage.BLENDING, SeedStage.FOSSILIZED])
def test_another_shape_is_refused_whenever_a_seed_runs(layout, shape, expected, stage):
    slot = grown(layout, stage)

    with pytest.raises(SlotError, match=rf"slot 'r0c0' must get features .*{expected}"):
        slot(torch.zeros(shape))


@pytest.mark.parametrize("name", [n for n in blueprint_ids("transformer") if n not in ATTENTION])
@pytest.mark.parametrize("germination", BLENDING, ids=["add", "multiply", "gate"])
def test_a_slot_for_sequences_takes_vectors_as_sequences_of_one_position(name, germination):
    slot, x = grown("BTC", blueprint_id=name, **germination), torch.randn(3, CHANNELS)

    torch.testing.assert_close(slot(x), slot(x[:, None])[:, 0])


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_does_not_take_vectors(name):
    with pytest.raises(SlotError, match=r"with attention must get .*, got shape \(3, 8\); plant"):
        grown("BTC", blueprint_id=name)(torch.randn(3, CHANNELS))


class TestPadding:
    def padding(self, *lengths, left=False):
        positions = torch.arange(5)
        rows = [positions < 5 - n if left else positions >= n for n in lengths]
        return torch.stack(rows)

    @pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
    @pytest.mark.parametrize("name", ATTENTION)
    @pytest.mark.parametrize("germination", BLENDING, ids=["add", "multiply", "gate"])
    def test_a_padded_sample_gives_what_it_gives_alone(self, name, left, germination):
        slot, x = grown("BTC", blueprint_id=name, **germination), inputs("BTC")
        kept = slice(2, 5) if left else slice(0, 3)

        output = slot(x, self.padding(3, 5, 0, left=left))

        torch.testing.assert_close(output[:1, kept], slot(x[:1, kept]))
        torch.testing.assert_close(output[1], slot(x)[1])
        assert output.isfinite().all()

    def test_a_grafted_encoder_layer_passes_its_mask_on(self):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(CHANNELS, 2, CHANNELS, batch_first=True, dropout=0.0)
        model = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        spec = SlotSpec(gates=PERMISSIVE)
        slot = graft(model, {"layers.*": spec}, example=inputs("BTC"))["layers.0"]
        lead_to(slot, SeedStage.FOSSILIZED, "attention_all")
        nn.init.normal_(slot.seed.branch.project.weight)
        x = inputs("BTC")

        output = model(x, src_key_padding_mask=self.padding(3, 5, 5))

        torch.testing.assert_close(output[:1, :3], model(x[:1, :3]))

    @pytest.mark.parametrize(
        "kwargs",
        [
            {"src_key_padding_mask": torch.tensor([[False, False, True]])},
            {"src_key_padding_mask": torch.tensor([[0.0, 0.0, float("-inf")]])},
            {"key_padding_mask": torch.tensor([[False, False, True]])},
            {"attention_mask": torch.tensor([[1, 1, 0]])},
            {"attention_mask": torch.tensor([[True, True, False]])},
            {"attention_mask": torch.tensor([[0.0, 0.0, -1e9]]).expand(1, 1, 3, 3)},
            {"attention_mask": torch.tensor([[True, True, False]]).expand(1, 1, 3, 3)},
        ],
    )
    def test_masks_are_found_in_the_arguments(self, kwargs):
        assert find_padding((), kwargs, {}).tolist() == [[False, False, True]]

    @pytest.mark.parametrize(
        ("cls", "args"),
        [
            (nn.TransformerEncoderLayer, (X, None, MASK)),
            (nn.TransformerDecoderLayer, (X, X, None, None, MASK, OTHER)),
            (nn.Transformer, (X, X, None, None, None, OTHER, MASK)),
            (nn.MultiheadAttention, (X, X, X, MASK)),
        ],
    )
    def test_masks_are_found_by_their_place(self, cls, args):
        assert find_padding(args, {}, mask_places(cls)).tolist() == MASK.tolist()

    @pytest.mark.parametrize(
        ("cls", "args", "kwargs"),
        [
            (nn.MultiheadAttention, (X, OTHER, OTHER), {"key_padding_mask": MASK}),
            (nn.TransformerDecoderLayer, (X, X), {"memory_key_padding_mask": MASK}),
            (nn.Transformer, (X, X), {"src_key_padding_mask": MASK}),
            (nn.Identity, (X,), {"key_value_states": OTHER, "attention_mask": MASK}),
        ],
    )
    def test_a_mask_of_the_other_sequence_is_left_out(self, cls, args, kwargs):
        assert find_padding(args, kwargs, mask_places(cls)) is None

    def test_a_mask_with_a_window_hides_no_earlier_position(self):
        window = torch.ones(4, 4).tril().triu(-1).expand(1, 1, 4, 4).bool()

        assert not find_padding((), {"attention_mask": window}, {}).any()

    def test_a_mask_of_another_length_is_left_out(self):
        class Halves(nn.Module):
            def forward(self, x, attention_mask=None):
                return x[:, ::2]

        model, x = nn.Sequential(Halves()), inputs("BTC")
        slot = graft(model, {"0": SlotSpec(gates=PERMISSIVE, layout="BTC")}, example=x)["0"]
        lead_to(slot, SeedStage.FOSSILIZED, "attention_all")

        assert torch.equal(model[0](x, self.padding(0, 0, 0)), model(x))

    @pytest.mark.parametrize(
        "kwargs", [{"attention_mask": None}, {"scale": 2.0}, {"attention_mask": torch.ones(3)}]
    )
    def test_other_arguments_are_no_masks(self, kwargs):
        assert find_padding((), kwargs, {}) is None


@pytest.mark.parametrize("name", blueprint_ids("transformer"))
def test_with_a_cache_every_seed_but_attention_gives_the_same(name):
    slot, x = grown("BTC", blueprint_id=name), inputs("BTC")

    is_same = torch.allclose(slot(x)[:, -1:], slot(x[:, -1:]), atol=1e-6)

    assert is_same == (name not in ATTENTION)


def test_attention_to_all_positions_is_not_causal():
    torch.manual_seed(0)
    seed, x = build_seed("transformer", "attention_all", CHANNELS), inputs("BTC")
    nn.init.normal_(seed.branch.project.weight)
    changed = x.clone()
    changed[:, -1] += 1.0

    assert (seed(x)[:, 0] - seed(changed)[:, 0]).abs().max() > 0.01


@pytest.mark.parametrize("causal", [True, False])
def test_a_mask_without_padding_changes_no_attention(causal):
    torch.manual_seed(0)
    layer, x = SelfAttention(CHANNELS, 2, causal=causal), inputs("BTC")

    masked = layer(x, torch.zeros(3, 5, dtype=torch.bool))

    torch.testing.assert_close(masked, layer(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "CHW"}, "layout must be one of BCHW, BHWC, BTC, TBC, BCL, BC, got 'CHW'"),
        ({"layout": ["BC"]}, "layout must be one of"),
        (
            {"layout": "TBC", "topology": "cnn"},
            "layout TBC must go with topology 'transformer', got 'cnn'; leave the topology out",
        ),
    ],
)
def test_a_layout_that_is_unknown_or_of_another_topology_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SlotSpec(**arguments)
    with pytest.raises(ValueError, match=message):
        SeedSlot("r0c0", CHANNELS, **arguments)
