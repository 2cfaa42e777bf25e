"""Notices when a model or an optimizer is no longer built as it was, at a fraction of the cost of walking it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from operator import is_
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

from esper.kasmina.slot import SeedSlot


class _Look(NamedTuple):
    """What would differ if the structure had changed; the first by identity, the others by value."""

    objects: list[object]
    counts: list[int]
    sides: list[tuple[bool, bool]]
    addresses: list[int]


class Watch:
    """Remembers which objects are where.

    Of modules it watches the dicts they keep their members in, of optimizers the cells of their state that hold tensors,
    of slots the side of the line they are on (empty, live or lasting), of tensors their memory: assigning to
    `.data` or moving a module swaps it behind the same object.
    """

    def __init__(self, slots: Iterable[SeedSlot]) -> None:
        """Watch on which side of the line `slots` are, and nothing else yet."""
        self._members: list[dict[str, Any]] = []
        self._optimizers: list[Optimizer] = []
        self._cells: list[tuple[Mapping[str, Any], str]] = []
        self._counted: list[Mapping[Any, Any]] = []
        self._slots = list(slots)
        self._tensors: dict[int, tuple[str, Tensor]] = {}
        self._pointed: list[Tensor] = []
        self._seen: _Look | None = None

    def add_module(self, module: nn.Module) -> None:
        """Watch the members of `module`, but not of its children."""
        for members in (module._parameters, module._buffers, module._modules):
            # Most are empty, and counting is cheaper than listing nothing.
            if members:
                self._members.append(members)
            else:
                self._counted.append(members)

    def add_optimizer(self, optimizer: Optimizer) -> None:
        """Watch which parameters `optimizer` remembers something of."""
        self._optimizers.append(optimizer)
        self._counted.append(optimizer.state)

    def add_state(self, state: Mapping[str, Any]) -> None:
        """Watch the tensors in what an optimizer remembers of one parameter."""
        self._counted.append(state)
        self._cells += [(state, key) for key, value in state.items() if isinstance(value, Tensor)]

    def add_tensor(self, name: str, tensor: Tensor) -> str:
        """Watch the memory of `tensor`, and return the name it was first added under."""
        return self._tensors.setdefault(id(tensor), (name, tensor))[0]

    def start(self) -> None:
        """Take what there is now as what should be."""
        self._pointed = [tensor for _, tensor in self._tensors.values()]
        self._seen = self._look()

    def is_quiet(self) -> bool:
        """Return whether everything is where it was when `start` was called."""
        now, seen = self._look(), self._seen
        return (
            seen is not None
            and len(now.objects) == len(seen.objects)
            and all(map(is_, now.objects, seen.objects))
            and now[1:] == seen[1:]
        )

    def _look(self) -> _Look:
        return _Look(
            objects=[
                *chain.from_iterable(map(dict.values, self._members)),
                *[optimizer.state for optimizer in self._optimizers],
                *[state.get(key) for state, key in self._cells],
            ],
            counts=list(map(len, self._counted)),
            sides=[(slot.is_empty, slot.is_unsettled) for slot in self._slots],
            addresses=list(map(Tensor.data_ptr, self._pointed)),
        )
