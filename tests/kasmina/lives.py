"""Slots with a seed in a given stage."""

import torch
from torch import Tensor

from esper._generated.enums import SeedStage
from esper.kasmina.gates import QualityGates
from esper.kasmina.slot import SeedSlot
from esper.kasmina.topology import Topology

PERMISSIVE = QualityGates(permissive=True)
CHANNELS = 8
UNDECIDED = [SeedStage.GERMINATED, SeedStage.TRAINING, SeedStage.BLENDING, SeedStage.HOLDING]


def lead_to(
    slot: SeedSlot, stage: SeedStage, blueprint_id: str = "norm", **germination
) -> SeedSlot:
    """Plant a seed and lead it to `stage`; in BLENDING it is half-way through a ramp of two epochs."""
    slot.germinate(
        blueprint_id, **{"blend_tempo_epochs": 2, "blend_algorithm_id": "linear"} | germination
    )
    if stage >= SeedStage.TRAINING:
        slot.advance_stage()
        slot.record_accuracy(50.0)
    if stage >= SeedStage.BLENDING:
        slot.advance_stage()
        slot.step_epoch()
        slot.record_accuracy(51.0)
    if stage >= SeedStage.HOLDING:
        slot.step_epoch()
        slot.advance_stage()
        slot.record_contribution(2.0)
    if stage is SeedStage.FOSSILIZED:
        slot.advance_stage()
    elif stage > SeedStage.FOSSILIZED:
        slot.prune("test")
        while slot.stage is not stage:
            slot.step_epoch()
    assert slot.stage is stage
    return slot


def slot_in(
    stage: SeedStage, *, topology: Topology = "cnn", channel=None, **germination
) -> SeedSlot:
    """Return a slot whose seed is in `stage`; a channel gets only the events after that."""
    slot = SeedSlot("r0c0", CHANNELS, topology=topology, gates=PERMISSIVE)
    if stage is not SeedStage.DORMANT:
        lead_to(slot, stage, **germination)
    if channel is not None:
        slot.channel = channel
    return slot


def features(topology: Topology = "cnn", *, batch: int = 4, seed: int = 0) -> Tensor:
    """Return random features of `topology` that require a gradient."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "cnn": (batch, CHANNELS, 4, 4),
        "transformer": (batch, 6, CHANNELS),
        "conv1d": (batch, CHANNELS, 6),
        "mlp": (batch, CHANNELS),
    }
    return torch.randn(shapes[topology], generator=generator).requires_grad_()
