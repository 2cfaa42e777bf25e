"""Every seed starts close to the identity, keeps the shape, and learns."""

import copy

import pytest
import torch

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.blueprints.registry import blueprint_ids, build_seed
from esper.kasmina.topology import TOPOLOGIES
from tests.kasmina.lives import CHANNELS, features, slot_in

ALL = [(topology, name) for topology in TOPOLOGIES for name in blueprint_ids(topology)]
LEARNING = [(topology, name) for topology, name in ALL if name != "noop"]
BLENDING = [
    {"alpha_algorithm": AlphaAlgorithm.ADD, "blend_algorithm_id": "sigmoid"},
    {"alpha_algorithm": AlphaAlgorithm.MULTIPLY, "blend_algorithm_id": "linear"},
    {"alpha_algorithm": AlphaAlgorithm.GATE, "blend_algorithm_id": "gated"},
]
PARAMETERS = {
    ("cnn", "noop"): [0, 0, 0],
    ("cnn", "norm"): [17, 65, 257],
    ("cnn", "attention"): [40, 544, 8_320],
    ("cnn", "depthwise"): [152, 1_376, 17_792],
    ("cnn", "bottleneck"): [720, 1_152, 17_664],
    ("cnn", "conv_small"): [80, 1_088, 16_640],
    ("cnn", "conv_light"): [592, 9_280, 147_712],
    ("cnn", "conv_heavy"): [1_184, 18_560, 295_424],
    ("transformer", "noop"): [0, 0, 0],
    ("transformer", "norm"): [17, 65, 257],
    ("transformer", "lora"): [128, 512, 2_048],
    ("transformer", "lora_large"): [512, 2_048, 8_192],
    ("transformer", "attention"): [288, 4_224, 66_048],
    ("transformer", "mlp_small"): [280, 4_192, 65_920],
    ("transformer", "mlp"): [552, 8_352, 131_712],
    ("transformer", "attention_all"): [288, 4_224, 66_048],
    ("conv1d", "noop"): [0, 0, 0],
    ("conv1d", "norm"): [17, 65, 257],
    ("conv1d", "attention"): [40, 544, 8_320],
    ("conv1d", "depthwise"): [104, 1_184, 17_024],
    ("conv1d", "bottleneck"): [336, 768, 11_520],
    ("conv1d", "conv_small"): [80, 1_088, 16_640],
    ("conv1d", "conv_light"): [208, 3_136, 49_408],
    ("conv1d", "conv_heavy"): [416, 6_272, 98_816],
    ("mlp", "noop"): [0, 0, 0],
    ("mlp", "norm"): [17, 65, 257],
    ("mlp", "lora"): [128, 512, 2_048],
    ("mlp", "lora_large"): [512, 2_048, 8_192],
    ("mlp", "mlp_small"): [280, 4_192, 65_920],
    ("mlp", "mlp"): [552, 8_352, 131_712],
}


def every_blueprint(pairs):
    return pytest.mark.parametrize(
        ("topology", "name"), pairs, ids=[f"{topology}-{name}" for topology, name in pairs]
    )


def trained(slot, loss_of, *, steps=20) -> tuple[dict, dict, list[float]]:
    """Train the seed in the slot; return its parameters before and after, and the losses."""
    before = {name: p.detach().clone() for name, p in slot.named_parameters()}
    optimizer = torch.optim.Adam(slot.seed_parameters(), lr=0.01)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(slot)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return before, dict(slot.named_parameters()), losses


def unchanged(before, after) -> list[str]:
    return [name for name in before if torch.equal(before[name], after[name])]


@every_blueprint(ALL)
def test_it_has_the_documented_number_of_parameters(topology, name):
    counts = [
        sum(p.numel() for p in build_seed(topology, name, channels).parameters())
        for channels in (8, 32, 128)
    ]

    assert counts == PARAMETERS[topology, name]


@every_blueprint(ALL)
@pytest.mark.parametrize("channels", [1, 4, 12])
def test_it_fits_any_number_of_channels(topology, name, channels):
    build_seed(topology, name, channels)


@every_blueprint(ALL)
def test_it_changes_the_features_little_at_first(topology, name):
    torch.manual_seed(0)
    x = features(topology).detach()

    change = build_seed(topology, name, CHANNELS)(x) - x

    assert change.norm() <= 0.15 * x.norm()


@every_blueprint(LEARNING)
@pytest.mark.parametrize(
    "blending", BLENDING, ids=lambda blending: blending["alpha_algorithm"].name
)
@pytest.mark.parametrize("stage", [SeedStage.BLENDING, SeedStage.FOSSILIZED], ids=lambda s: s.name)
def test_every_parameter_learns_under_every_algorithm(topology, name, blending, stage):
    torch.manual_seed(0)
    slot = slot_in(stage, topology=topology, blueprint_id=name, **blending)
    x, target = features(topology).detach(), features(topology, seed=1).detach()

    before, after, losses = trained(slot, lambda slot: (slot(x) - target).square().mean())

    assert unchanged(before, after) == []
    assert losses[-1] < losses[0]


@every_blueprint(LEARNING)
def test_every_parameter_learns_in_training_and_the_loss_stays(topology, name):
    torch.manual_seed(0)
    slot = slot_in(SeedStage.TRAINING, topology=topology, blueprint_id=name)
    x, target = features(topology).detach(), features(topology, seed=1).detach()
    seed_before = copy.deepcopy(slot.seed)

    before, after, losses = trained(slot, lambda slot: (slot(x) - target).square().mean(), steps=5)

    assert unchanged(before, after) == []
    assert losses == [losses[0]] * 5
    # Blended in, the trained seed would reduce the loss more than the new one.
    trained_loss, new_loss = (
        (torch.lerp(x, seed(x), 0.5) - target).square().mean() for seed in (slot.seed, seed_before)
    )
    assert trained_loss < new_loss


@every_blueprint([p for p in ALL if p[0] == "transformer" and p[1] != "attention_all"])
def test_no_position_depends_on_a_later_one(topology, name):
    torch.manual_seed(0)
    seed = build_seed(topology, name, CHANNELS)
    with torch.no_grad():
        for parameter in seed.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = features(topology).detach()
    changed = x.clone()
    changed[:, 3:] += 1.0

    torch.testing.assert_close(seed(x)[:, :3], seed(changed)[:, :3], atol=1e-6, rtol=0)


@every_blueprint([pair for pair in LEARNING if pair[0] == "cnn"])
def test_it_learns_from_maps_of_one_pixel(topology, name):
    torch.manual_seed(0)
    slot = slot_in(SeedStage.FOSSILIZED, blueprint_id=name)
    x, target = torch.randn(2, 16, CHANNELS, 1, 1).unbind()

    before, after, _ = trained(slot, lambda slot: (slot(x) - target).square().mean())

    assert unchanged(before, after) == []
