"""Copies of a network in training: one of everything that steps change, and one that outlives checkpoints."""

import copy
from collections.abc import Mapping
from typing import Any, Self, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from esper.tolaria.snapshots.optimizer_state import load_parameter_state
from esper.tolaria.snapshots.random_state import load_random_state_dict, random_state_dict


@final
class TrainingState:
    """A copy of everything that training steps change: weights, buffers, optimizer state and rates, modes, random generators."""

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        """Copy the state of `model` and its `optimizer`."""
        tensors = (*model.parameters(), *model.buffers())
        self._tensors = [(tensor, tensor.detach().clone()) for tensor in tensors]
        self._modes = [(module, module.training) for module in model.modules()]
        self._optimizer = optimizer
        self._optimizer_state = _copied(optimizer.state)
        self._rates = [copy.deepcopy(group["lr"]) for group in optimizer.param_groups]
        self._random = random_state_dict()

    def restore(self) -> None:
        """Put everything back, bit for bit, as often as wanted; parameters and buffers stay the same objects.

        Gradients are removed.
        """
        with torch.no_grad():
            for tensor, values in self._tensors:
                tensor.copy_(values)
        for module, mode in self._modes:
            module.training = mode
        self._optimizer.state.clear()
        self._optimizer.state.update(_copied(self._optimizer_state))
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = copy.deepcopy(rate)
        self._optimizer.zero_grad()
        load_random_state_dict(self._random)


@final
class NetworkCopy:
    """A copy, by name, of the weights and buffers of a network that a checkpoint holds, and of the state of its optimizer.

    Seeds may be pruned or planted before it is restored: what is gone is left out, and what is new stays as it is.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], optimizer_state: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Hold copies that `of` or a checkpoint made."""
        self._tensors = tensors
        self._optimizer_state = optimizer_state

    @classmethod
    def of(cls, model: nn.Module, optimizer: Optimizer) -> Self:
        """Copy `model` and the state of its `optimizer`."""
        tensors = {name: one.detach().clone() for name, one in _saved_tensors(model).items()}
        state = {
            name: copy.deepcopy(dict(optimizer.state[parameter]))
            for name, parameter in model.named_parameters()
            if parameter in optimizer.state
        }
        return cls(tensors, state)

    def restore(self, model: nn.Module, optimizer: Optimizer) -> None:
        """Write the copy into `model` and `optimizer`; parameters and buffers stay the same objects."""
        with torch.no_grad():
            for name, tensor in _saved_tensors(model).items():
                if name in self._tensors:
                    tensor.copy_(self._tensors[name])
        for name, parameter in model.named_parameters():
            if name not in self._tensors:
                continue
            optimizer.state.pop(parameter, None)
            if name in self._optimizer_state:
                entry = self._optimizer_state[name]
                tensors = {key: value for key, value in entry.items() if isinstance(value, Tensor)}
                others = {key: value for key, value in entry.items() if key not in tensors}
                load_parameter_state(optimizer, parameter, tensors, others)
        optimizer.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Return the copies, in tensors and plain values."""
        return {"tensors": dict(self._tensors), "optimizer": dict(self._optimizer_state)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Build a copy from the result of `state_dict`."""
        return cls(state["tensors"], state["optimizer"])


def _saved_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers that the state dict of `model` holds, by name; extra state is left out."""
    saved = model.state_dict().keys()
    named = (*model.named_parameters(), *model.named_buffers())
    return {name: tensor for name, tensor in named if name in saved}


def _copied(state: Mapping[Any, Mapping[str, Any]]) -> dict[Any, dict[str, Any]]:
    """Return a copy of an optimizer's state; the parameters, which are its keys, stay the same objects."""
    return {parameter: copy.deepcopy(dict(values)) for parameter, values in state.items()}
