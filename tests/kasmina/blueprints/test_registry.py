"""Blueprints are found by name, and their seeds are checked when they are built."""

import math
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from esper._generated.enums import SeedStage
from esper.kasmina.blueprints import registry
from esper.kasmina.blueprints.registry import (
    birth_change,
    blueprint_ids,
    build_seed,
    register_blueprint,
)
from esper.kasmina.slot import SeedSlot
from esper.kasmina.topology import TOPOLOGIES
from esper.leyline.errors import SlotError
from tests.kasmina.lives import PERMISSIVE, lead_to

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "own_blueprint.md"

ALL = [(topology, name) for topology in TOPOLOGIES for name in blueprint_ids(topology)]


@pytest.fixture
def own_blueprints(monkeypatch):
    """Let a test register blueprints, and remove them afterwards."""
    copied = {topology: dict(names) for topology, names in registry._BLUEPRINTS.items()}
    monkeypatch.setattr(registry, "_BLUEPRINTS", copied)


@pytest.mark.parametrize(("topology", "name"), ALL)
def test_building_a_seed_depends_on_pytorchs_generator_only(topology, name):
    def build() -> list[torch.Tensor]:
        torch.manual_seed(3)
        return list(build_seed(topology, name, 8).parameters())

    assert all(map(torch.equal, build(), build()))


def test_a_registered_blueprint_is_found(own_blueprints):
    register_blueprint("cnn", "pointwise", lambda channels: nn.Conv2d(channels, channels, 1))

    assert blueprint_ids("cnn")[-1] == "pointwise"
    assert isinstance(build_seed("cnn", "pointwise", 8), nn.Conv2d)


@pytest.mark.parametrize("layout", ["BTC", "TBC"])
def test_the_seed_of_the_page_leaves_padding_out(layout, own_blueprints):
    page = PAGE.read_text(encoding="utf-8")
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[-1], {})
    slot = SeedSlot("r0c0", 8, layout=layout, gates=PERMISSIVE)
    lead_to(slot, SeedStage.FOSSILIZED, "mean_of_sequence")
    nn.init.normal_(slot.seed.project.weight)
    view = slot.layout.seed_view
    x, padding = torch.randn(2, 5, 8), torch.tensor([[False] * 3 + [True] * 2, [False] * 5])

    output = view(slot(view(x), padding))

    torch.testing.assert_close(output[:1, :3], view(slot(view(x[:1, :3]))))
    assert not torch.allclose(output, x)


@pytest.mark.parametrize(
    ("topology", "name", "message"),
    [
        ("graph", "mine", "topology must be one of cnn, transformer, conv1d, mlp, got 'graph'"),
        ("cnn", "", "must have 1 to 64 characters, got ''"),
        ("cnn", "n" * 65, "must have 1 to 64 characters, got 'nnn"),
        ("cnn", "norm", "must not be taken, got 'norm'; choose another"),
    ],
)
def test_a_blueprint_with_an_invalid_name_is_rejected(own_blueprints, topology, name, message):
    with pytest.raises(ValueError, match=message):
        register_blueprint(topology, name, nn.Identity)


def test_an_unknown_blueprint_is_rejected_with_a_list_of_all():
    with pytest.raises(SlotError, match="no blueprint 'resnet' for cnn; there are: noop, norm, "):
        build_seed("cnn", "resnet", 8)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (
            lambda channels: None,
            "that blueprint 'odd' builds must be of type Module, got None; return",
        ),
        (lambda channels: nn.Conv2d, "must be of type Module, got the class Conv2d"),
        (
            lambda channels: nn.Conv2d(3, 8, 1),
            r"shape \(2, 8, 8, 8\), got an error \(Given .*; correct",
        ),
        (
            lambda channels: nn.MultiheadAttention(channels, 3),
            r"for 8 channels, got an error \(embed_dim must be divisible by num_heads\) from blueprint 'odd'",
        ),
    ],
)
def test_a_factory_that_does_not_build_a_seed_is_rejected(own_blueprints, factory, message):
    register_blueprint("cnn", "odd", factory)

    with pytest.raises(SlotError, match=message):
        build_seed("cnn", "odd", 8)


def test_names_and_factories_of_another_type_are_rejected(own_blueprints):
    with pytest.raises(ValueError, match="a blueprint's name must be a string, got 3"):
        register_blueprint("cnn", 3, nn.Identity)
    with pytest.raises(ValueError, match=r"factory must be a function, got .*; pass the function"):
        register_blueprint("cnn", "odd", None)


@pytest.mark.parametrize(
    ("topology", "factory", "got"),
    [
        ("cnn", lambda channels: nn.Conv2d(channels, 1, 1), r"\(2, 1, 8, 8\) for \(2, 8, 8, 8\)"),
        ("transformer", lambda channels: nn.LSTM(channels, channels), "tuple for"),
    ],
)
def test_a_seed_that_changes_the_shape_is_rejected(own_blueprints, topology, factory, got):
    register_blueprint(topology, "odd", factory)

    with pytest.raises(SlotError, match=f"must keep the shape of the features, got {got}"):
        build_seed(topology, "odd", 8)


def test_checking_the_shape_keeps_training_mode_and_draws_no_random_numbers():
    torch.manual_seed(0)
    seed = build_seed("cnn", "noop", 8)
    drawn = torch.rand(())

    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(()))
    assert seed.training


@pytest.mark.parametrize(("topology", "name"), ALL)
@pytest.mark.parametrize("channels", [2, 16])
def test_shipped_blueprints_begin_close_to_the_identity(topology, name, channels):
    state = torch.get_rng_state()

    assert birth_change(topology, name, channels) < 0.2
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("factory", "least"),
    [
        (lambda channels: nn.Conv2d(channels, channels, 1), 0.5),
        (lambda channels: nn.ReLU(), 0.5),
        # In evaluation mode it is the identity.
        (nn.BatchNorm2d, 0.5),
        (lambda channels: nn.Threshold(math.inf, math.nan), math.inf),
    ],
)
def test_blueprints_that_change_the_features_at_birth_are_found(own_blueprints, factory, least):
    register_blueprint("cnn", "mine", factory)

    assert birth_change("cnn", "mine", 8) >= least
