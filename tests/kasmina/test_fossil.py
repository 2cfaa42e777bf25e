"""A fossil needs no slot."""

import pytest
import torch

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.leyline.errors import SlotError
from tests.kasmina.lives import features, slot_in

GATED = {"alpha_algorithm": AlphaAlgorithm.GATE, "blend_algorithm_id": "gated"}


@pytest.mark.parametrize(
    "germination",
    [{}, {"alpha_algorithm": AlphaAlgorithm.MULTIPLY}, GATED],
    ids=["add", "multiply", "gate"],
)
def test_it_computes_what_its_slot_did(germination):
    slot = slot_in(SeedStage.FOSSILIZED, blueprint_id="conv_light", **germination)
    h = features()

    fossil = slot.to_fossil()

    assert torch.equal(fossil(h), slot(h))
    assert [id(p) for p in fossil.parameters()] == [id(p) for p in slot.parameters()]


def test_a_live_seed_cannot_leave():
    with pytest.raises(SlotError, match="only a fossilised seed can leave its slot, got HOLDING"):
        slot_in(SeedStage.HOLDING).to_fossil()
