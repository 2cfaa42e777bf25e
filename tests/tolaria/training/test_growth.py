"""Actions of a policy are applied to slots; seeds that begin far from the identity get no credit."""

import logging

import pytest
from torch import nn

from esper._generated.enums import SeedStage
from esper.kasmina.blueprints import registry
from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Advance, Germinate, Rejuvenate
from esper.tolaria.training.growth import apply_actions


@pytest.fixture
def pointwise(monkeypatch):
    names = {"pointwise": lambda channels: nn.Conv2d(channels, channels, 1)}
    blueprints = dict(registry._BLUEPRINTS)
    blueprints["cnn"] = blueprints["cnn"] | names
    monkeypatch.setattr(registry, "_BLUEPRINTS", blueprints)


@pytest.mark.parametrize(
    ("blueprint_id", "stage"),
    [("conv_light", SeedStage.BLENDING), ("pointwise", SeedStage.TRAINING)],
)
def test_a_seed_gets_credit_only_if_it_begins_close_to_the_identity(
    pointwise, caplog, blueprint_id, stage
):
    slot = SeedSlot("r0c0", 8)
    gates = slot.gates
    plan = [
        Germinate(slot_id="r0c0", blueprint_id=blueprint_id, blend_tempo_epochs=1),
        Advance(slot_id="r0c0"),
        Advance(slot_id="r0c0", on_credit=True),
    ]

    with caplog.at_level(logging.WARNING, logger="esper"):
        apply_actions(plan, {"r0c0": slot})

    assert slot.stage is stage
    assert slot.gates is gates
    text = "got blueprint 'pointwise' in slot r0c0, which changes the features by"
    assert (text in caplog.text) is (stage is SeedStage.TRAINING)


def test_a_rejuvenation_comes_after_the_other_actions_of_its_epoch():
    slot, seen = SeedSlot("r0c0", 8), []
    germinate = Germinate(slot_id="r0c0", blueprint_id="norm", blend_tempo_epochs=1)

    apply_actions([Rejuvenate(), germinate], {"r0c0": slot}, lambda action: seen.append(slot.stage))

    assert seen == [SeedStage.GERMINATED]
