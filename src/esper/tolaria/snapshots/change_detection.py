"""Detects that the structure of a model or an optimizer has changed, at a fraction of the cost of walking it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from operator import is_
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from esper.kasmina.slot import SeedSlot


class _Structure(NamedTuple):
    """The parts of a structure that are compared: objects by identity, the rest by value."""

    objects: list[object]
    """Members of modules, and the state of optimizers."""
    counts: list[int]
    """Entries of each dict that is only counted."""
    occupancies: list[tuple[bool, bool]]
    """For each slot whether it is empty and whether its seed is live."""
    addresses: list[int]
    """Memory addresses of the tensors."""


class StructureWatch:
    """Remembers which objects a model and its optimizers consist of, and detects whether that has changed.

    It compares the dicts in which modules keep their members, the entries of optimizer states that hold tensors, the
    occupancy of slots (empty, live seed, fossil), and the address of each tensor's memory: assigning to `.data` or
    moving a module replaces the memory of the same tensor object.
    """

    def __init__(self, slots: Iterable[SeedSlot]) -> None:
        """Watch the occupancy of `slots`; everything else is added by the methods below."""
        self._members: list[dict[str, Any]] = []
        self._optimizers: list[Optimizer] = []
        self._cells: list[tuple[Mapping[str, Any], str]] = []
        self._counted: list[Mapping[Any, Any]] = []
        self._slots = list(slots)
        self._named_tensors: dict[int, tuple[str, Tensor]] = {}
        self._tensors: list[Tensor] = []
        self._expected: _Structure | None = None

    def add_module(self, module: nn.Module) -> None:
        """Watch the members of `module`, but not those of its children."""
        for members in (module._parameters, module._buffers, module._modules):
            # Most dicts are empty; comparing their length is cheaper than listing their values.
            if members:
                self._members.append(members)
            else:
                self._counted.append(members)

    def add_optimizer(self, optimizer: Optimizer) -> None:
        """Watch for which parameters `optimizer` has a state."""
        self._optimizers.append(optimizer)
        self._counted.append(optimizer.state)

    def add_state(self, state: Mapping[str, Any]) -> None:
        """Watch the tensors in `state`, an optimizer's state of one parameter."""
        self._counted.append(state)
        self._cells += [(state, key) for key, value in state.items() if isinstance(value, Tensor)]

    def add_tensor(self, name: str, tensor: Tensor) -> str:
        """Watch the memory of `tensor`, and return the name under which it was added first."""
        return self._named_tensors.setdefault(id(tensor), (name, tensor))[0]

    def start(self) -> None:
        """Take the present structure as the expected one."""
        self._tensors = [tensor for _, tensor in self._named_tensors.values()]
        self._expected = self._observe()

    def is_unchanged(self) -> bool:
        """Return whether the structure is the same as when `start` was called."""
        now, expected = self._observe(), self._expected
        return (
            expected is not None
            and len(now.objects) == len(expected.objects)
            and all(map(is_, now.objects, expected.objects))
            and now[1:] == expected[1:]
        )

    def _observe(self) -> _Structure:
        # Addresses are asked of the tensors themselves, not of a subclass's `__torch_function__`.
        with torch._C.DisableTorchFunctionSubclass():
            addresses = list(map(Tensor.data_ptr, self._tensors))
        return _Structure(
            objects=[
                *chain.from_iterable(map(dict.values, self._members)),
                *[optimizer.state for optimizer in self._optimizers],
                *[state.get(key) for state, key in self._cells],
            ],
            counts=list(map(len, self._counted)),
            occupancies=[(slot.is_empty, slot.is_unsettled) for slot in self._slots],
            addresses=addresses,
        )
