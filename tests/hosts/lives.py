"""The steps of a seed's life in a network of `networks.py`."""

import torch
from torch import Tensor, nn

from esper import QualityGates, SeedSlot, SeedStage, SlotSpec, graft
from tests.hosts.networks import Host


def build(host: Host) -> nn.Module:
    torch.manual_seed(0)
    return host.build()


def grafted(host: Host, model: nn.Module) -> dict[str, SeedSlot]:
    spec = SlotSpec(gates=QualityGates(permissive=True))
    return graft(model, dict.fromkeys(host.slots, spec), example=host.inputs)


def plant(host: Host, slots: dict[str, SeedSlot], *, seed: int = 1) -> None:
    """Plant a seed in each slot, with weights so large that it changes the output clearly, and let it train."""
    generator = torch.Generator().manual_seed(seed)
    for slot in slots.values():
        blueprint_id = "norm" if slot.topology in ("mlp", "conv1d") else host.blueprint
        slot.germinate(blueprint_id, blend_tempo_epochs=2)
        slot.advance_stage()
        for parameter in slot.seed_parameters():
            nn.init.normal_(parameter, std=0.3, generator=generator)


def blend(slots: dict[str, SeedSlot]) -> None:
    for slot in slots.values():
        slot.record_accuracy(50.0)
        assert slot.advance_stage().passed
        slot.step_epoch()


def fossilise(slots: dict[str, SeedSlot]) -> None:
    for slot in slots.values():
        slot.record_accuracy(50.0)
        slot.step_epoch()
        assert slot.advance_stage().passed
        slot.record_contribution(1.0)
        assert slot.advance_stage().passed
        assert slot.stage is SeedStage.FOSSILIZED


def grown(host: Host) -> nn.Module:
    """Return the network with a fossil in every slot."""
    model = build(host)
    slots = grafted(host, model)
    plant(host, slots)
    blend(slots)
    fossilise(slots)
    return model.eval()


def output(host: Host, model: nn.Module) -> Tensor:
    with torch.no_grad():
        return host.output(model.eval()(**host.inputs))
