"""Keeps PyTorch's encoder from computing without the slots in it, or on tensors that they cannot take."""

from typing import Any, Final

from torch import nn

from esper.kasmina.forward import Fossil
from esper.kasmina.probe import with_surroundings
from esper.kasmina.slot import SeedSlot

_TURNED_OFF: Final = "grafting_turned_nested_tensors_off"
"""Attribute of an encoder that has it only while its nested tensors are turned off because of a slot."""


def keep_called(model: nn.Module, path: str, slot: SeedSlot | Fossil) -> None:
    """Make the layers around the module at `path`, which holds `slot`, call it and pass it plain tensors.

    Without gradients, an `nn.TransformerEncoderLayer` computes in one kernel that calls none of its modules, and an
    `nn.TransformerEncoder` turns padded sequences into nested tensors.
    """
    around = [module for place, module in with_surroundings(model, path) if place != path]
    if any(isinstance(module, nn.TransformerEncoderLayer) for module in around):
        slot.register_forward_pre_hook(_calls_needed)
    for module in around:
        if isinstance(module, nn.TransformerEncoder) and module.use_nested_tensor:
            module.use_nested_tensor = False
            vars(module)[_TURNED_OFF] = True


def release(model: nn.Module) -> None:
    """Let the encoders in `model` that hold no slot and no fossil any more use nested tensors again, if they did."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoder) and not any(
            isinstance(inner, SeedSlot | Fossil) for inner in module.modules()
        ):
            module.use_nested_tensor |= vars(module).pop(_TURNED_OFF, False)


def _calls_needed(module: nn.Module, args: Any) -> None:
    """Do nothing: a hook in an `nn.TransformerEncoderLayer` makes PyTorch call its modules one by one."""
