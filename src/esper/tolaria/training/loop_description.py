"""Describes the network of a training loop of the user's own, for LOOP_STARTED."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from esper.kasmina.graft import find_slots
from esper.tolaria.training.reports import LoopDescription
from esper.version import VERSION


def describe_loop(
    name: str, *, seed: int | None, epochs: int | None, model: nn.Module | None
) -> LoopDescription:
    """Describe the run called `name` before its first step."""
    slots = {} if model is None else find_slots(model)
    num_params = count_parameters(model)
    num_seed_params = sum(p.numel() for slot in slots.values() for p in slot.seed_parameters())
    parameter = None if model is None else next(model.parameters(), None)
    return LoopDescription(
        task=name,
        seed=seed,
        epochs=epochs,
        device=None if parameter is None else str(parameter.device),
        num_host_params=None if num_params is None else num_params - num_seed_params,
        slot_ids=tuple(slot.slot_id for slot in slots.values()),
        esper_version=VERSION,
        torch_version=str(torch.__version__),
    )


def count_parameters(model: nn.Module | None) -> int | None:
    """Return the number of parameters; None without a model, or before its lazy layers have seen an input."""
    if model is None:
        return None
    parameters = list(model.parameters())
    if any(is_lazy(parameter) for parameter in parameters):
        return None
    return sum(parameter.numel() for parameter in parameters)
