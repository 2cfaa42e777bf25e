"""Runs forward passes that leave nothing behind.

A forward pass changes more than its result: running statistics of batch normalisation, the state of random generators,
PyTorch's cache of autocast copies, and whatever mode, gradient or `requires_grad` the caller's function sets. All of it is
put back, bit for bit. Python attributes of modules and generators that the caller created are not known here and stay changed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from operator import is_not
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Surroundings:
    """Everything around the weights that a forward pass may change, as it was when this object was built."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        """Copy all buffers of `modules`, and note modes, gradients, `requires_grad`, version counters and random states."""
        all_modules = list({id(one): one for root in modules for one in root.modules()}.values())
        self._modes = [(module, module.training) for module in all_modules]
        # The dicts too, because a module may replace a buffer by another tensor instead of writing into it.
        self._members: list[tuple[dict[str, Any], dict[str, Any]]] = [
            (members, dict(members))
            for module in all_modules
            for members in (module._buffers, module._parameters)
            if members
        ]
        parameters = _tensors(module._parameters for module in all_modules)
        buffers = _tensors(module._buffers for module in all_modules)
        self._trainable = [(one, one.requires_grad) for one in parameters]
        self._gradients = [(one, one.grad) for one in parameters if one.grad is not None]
        self._buffers = [(one := _written(buffer), one.clone()) for buffer in buffers]
        # Tensors of inference mode have no counter, and no graph that could need one.
        self._counted = [one for one in (*parameters, *buffers) if not one.is_inference()]
        self._versions = [one._version for one in self._counted]
        self._random = _random_state({one.device for one in (*parameters, *buffers)})
        self._modules = all_modules

    def written_parameters(self) -> list[str]:
        """Return the names, within their modules, of the parameters that autograd saw being written to since."""
        written = {
            id(one)
            for one, version in zip(self._counted, self._versions, strict=True)
            if one._version != version
        }
        if not written:
            return []
        return [
            name
            for module in self._modules
            for name, one in module._parameters.items()
            if id(one) in written
        ]

    def reset(self) -> None:
        """Start another pass from the same state; its gradients would be new ones."""
        for parameter, _ in self._gradients:
            parameter.grad = None
        self._put_back()

    def restore(self) -> None:
        """Put everything back for good."""
        self._put_back()
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        # The tensors hold the same bits again, so that a live graph may go on using them.
        torch._C._autograd._unsafe_set_version_counter(tuple(self._counted), tuple(self._versions))

    def _put_back(self) -> None:
        for members, saved in self._members:
            if len(members) != len(saved) or any(map(is_not, members.values(), saved.values())):
                members.clear()
                members.update(saved)
        for buffer, values in self._buffers:
            buffer.copy_(values)
        for module, mode in self._modes:
            if module.training is not mode:
                module.training = mode
        for parameter, is_trainable in self._trainable:
            if parameter.requires_grad is not is_trainable:
                parameter.requires_grad = is_trainable
        _load_random_state(self._random)
        # Otherwise the casts of other weights would be used again.
        torch.clear_autocast_cache()


def _tensors(members: Iterable[Mapping[str, Tensor | None]]) -> list[Tensor]:
    """Return every tensor in `members` once."""
    return list(
        {id(one): one for each in members for one in each.values() if one is not None}.values()
    )


def _written(tensor: Tensor) -> Tensor:
    """Return the memory of `tensor`, each element once, in a tensor with a version counter of its own."""
    memory = tensor.data
    for dimension, stride in enumerate(memory.stride() if memory.layout is torch.strided else ()):
        # Expanded dimensions repeat the same element, and such a tensor cannot be written to.
        if stride == 0 and memory.shape[dimension] > 1:
            memory = memory.narrow(dimension, 0, 1)
    return memory


def _random_state(devices: Iterable[torch.device]) -> dict[str, Any]:
    """Return the state of Python's, NumPy's and PyTorch's generators, the latter on the host and on `devices`."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
        "devices": {
            device: torch.get_device_module(device).get_rng_state(device)
            for device in devices
            if device.type not in ("cpu", "meta")
        },
    }


def _load_random_state(state: Mapping[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    for device, own in state["devices"].items():
        torch.get_device_module(device).set_rng_state(own, device)
