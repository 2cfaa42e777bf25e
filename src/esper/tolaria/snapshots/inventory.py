"""Lists the tensors that a snapshot of a training run saves, and detects whether that list is still current.

Walking a model costs as much as copying it, so an inventory is made once, and a `StructureWatch` detects when another one
is needed. Everything that a live seed owns is left out: its weights, its learned gate and its state.

Buffers that the state dict leaves out (`persistent=False`) are saved too: a running statistic is part of the run even if
a file does not need it. If they cannot be copied, as sparse constants cannot, they are left out as they are in files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from esper.kasmina.graft import find_slots
from esper.kasmina.slot import SeedSlot
from esper.tolaria.snapshots.change_detection import StructureWatch
from esper.tolaria.snapshots.dense_memory import ReadOnlyMemory, dense_memory, find_obstacle
from esper.tolaria.snapshots.optimizer_state import named_parameters

EXTRA_STATE = "_extra_state"
"""Last part of the state-dict key under which PyTorch saves `get_extra_state` of a module."""

Part = Literal["parameter", "buffer", "non_persistent", "companion", "optimizer"]
"""Where a tensor comes from; parameters and buffers are the model's, non-persistent ones are not in its state dict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Describes one saved tensor."""

    key: str
    """Unique name; for tied tensors the first of their names."""
    shape: tuple[int, ...]
    dtype: torch.dtype
    part: Part
    is_buffer: bool
    """Whether it is the buffer of a module, of the model or of a companion."""
    slot: str | None
    """Path of the slot that it belongs to; None if it is outside all slots."""

    @property
    def form(self) -> str:
        """Dtype and shape; only a tensor of the same form can be restored from it."""
        return f"{self.dtype} {self.shape}"


class Inventory:
    """The tensors that a snapshot saves.

    Attributes:
        entries: every tensor once, by key.
        tensors: the live tensors, by key, detached, and narrowed to one element along expanded dimensions.
        first_key: the key in `entries` for every name, names of tied tensors included.
        keys: the model's state-dict keys that are saved.
        num_excluded: number of the model's state-dict keys that are not saved, because a live seed owns them.
        slots: the slots of the model, by path.
        fossils: the paths of the slots that hold a fossil.
        extras: the saved modules with an extra state, by its state-dict key.
        parameters: the parameters that an optimizer holds and no live seed owns, by names of optimizer and parameter.
        moments: for each of these parameters the entries of its optimizer state, as a dict from the optimizer's own name
            for a tensor, such as `exp_avg`, to the key in `entries`.
        fingerprint: 16 hex digits, a hash of the names, shapes and dtypes of all entries.
    """

    def __init__(self, slots: Mapping[str, SeedSlot]) -> None:
        """Start an empty inventory of a model with `slots`; `take` fills it."""
        self.entries: dict[str, Entry] = {}
        self.tensors: dict[str, Tensor] = {}
        self.first_key: dict[str, str] = {}
        self.keys: tuple[str, ...] = ()
        self.num_excluded = 0
        self.extras: dict[str, nn.Module] = {}
        self.parameters: dict[tuple[str, str], nn.Parameter] = {}
        self.moments: dict[tuple[str, str], dict[str, str]] = {}
        self.slots = slots
        self.fossils: tuple[str, ...] = ()
        self.fingerprint = ""
        self._live: frozenset[str] = frozenset()
        self._read_only = ReadOnlyMemory()
        self._watch: StructureWatch | None = None

    @classmethod
    def take(
        cls,
        model: nn.Module,
        *,
        modules: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
    ) -> Self:
        """Walk `model`, the companion `modules` and the state of `optimizers`.

        Raises:
            SnapshotError: a tensor cannot be saved: it has not been initialised, or is not dense memory of its own.
        """
        inventory = cls(find_slots(model))
        inventory._live = frozenset(
            path for path, slot in inventory.slots.items() if slot.is_unsettled
        )
        inventory.fossils = tuple(
            path
            for path, slot in inventory.slots.items()
            if not slot.is_empty and path not in inventory._live
        )
        watch = inventory._watch = StructureWatch(inventory.slots.values())
        # Subclasses may do anything in `__torch_function__`; only their memory is of interest here.
        with torch._C.DisableTorchFunctionSubclass():
            inventory._walk_all(model, modules, optimizers, watch)
        watch.start()
        inventory.fingerprint = _fingerprint(inventory.entries.values())
        return inventory

    def _walk_all(
        self,
        model: nn.Module,
        modules: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        watch: StructureWatch,
    ) -> None:
        keys = self._walk(model, "", watch)
        self.keys = (*keys, *self.extras)
        for name, module in modules.items():
            self._walk(module, f"{name}/", watch)
        for name, optimizer in optimizers.items():
            self._walk_optimizer(optimizer, name, model, watch)

    @classmethod
    def from_state_dict(
        cls, state: Mapping[str, Any], tensors: Mapping[str, Tensor], slots: Mapping[str, SeedSlot]
    ) -> Self:
        """Return the inventory that `state_dict` was called on, with the saved `tensors` in place of the live ones."""
        inventory = cls(slots)
        inventory.tensors = dict(tensors)
        inventory.entries = {
            key: Entry(
                key=key,
                shape=tuple(shape),
                dtype=tensors[key].dtype,
                part=part,
                is_buffer=is_buffer,
                slot=slot,
            )
            for key, (shape, part, is_buffer, slot) in state["entries"].items()
        }
        inventory.first_key = dict(state["first_key"])
        inventory.keys = tuple(state["keys"])
        inventory.moments = {tuple(names): dict(own) for names, own in state["moments"]}
        inventory.fossils = tuple(state["fossils"])
        inventory.fingerprint = _fingerprint(inventory.entries.values())
        return inventory

    def state_dict(self) -> dict[str, Any]:
        """Return the list in plain types, without the tensors."""
        return {
            "entries": {
                entry.key: (entry.shape, entry.part, entry.is_buffer, entry.slot)
                for entry in self.entries.values()
            },
            "first_key": self.first_key,
            "keys": self.keys,
            "moments": list(self.moments.items()),
            "fossils": self.fossils,
        }

    def is_current(self) -> bool:
        """Return whether walking the model again would give the same inventory."""
        return self._watch is not None and self._watch.is_unchanged()

    def release_tensors(self) -> None:
        """Keep only the names, so that an inventory that is no longer current does not keep old tensors alive."""
        self._watch = None
        self.tensors, self.extras, self.parameters = {}, {}, {}

    def form(self, key: str) -> str | None:
        """Return the form of the tensor called `key`, names of tied tensors included; None if it is not saved."""
        first = self.first_key.get(key)
        return None if first is None else self.entries[first].form

    def slot_forms(self, slot: str | None) -> dict[str, str]:
        """Return the forms of the model's saved tensors in the slot at path `slot`, or outside all slots for None."""
        return {
            key: self.entries[first].form
            for key, first in self.first_key.items()
            if self.entries[first].part in ("parameter", "buffer")
            and self.entries[first].slot == slot
        }

    def slot_of(self, key: str) -> str | None:
        """Return the path of the slot that owns the name `key`; None if it is outside all slots."""
        return next((path for path in self.slots if key.startswith(f"{path}.")), None)

    def _walk(self, root: nn.Module, prefix: str, watch: StructureWatch) -> list[str]:
        """Add the tensors of `root`, except those that live seeds own; return those of its state-dict keys."""
        keys = []
        for path, module in root.named_modules(remove_duplicate=False):
            watch.add_module(module)
            start = prefix + (f"{path}." if path else "")
            slot = self.slot_of(start)
            members = list(_members(module))
            has_extra = type(module).get_extra_state is not nn.Module.get_extra_state
            if slot in self._live:
                in_state_dict = [one for one in members if one[2] != "non_persistent"]
                self.num_excluded += len(in_state_dict) + has_extra
                continue
            for name, tensor, kind in members:
                key = start + name
                if kind != "non_persistent":
                    keys.append(key)
                elif not nn.parameter.is_lazy(tensor) and find_obstacle(tensor, self._read_only):
                    continue
                part: Part = "companion" if prefix else kind
                self._add(key, tensor, part, slot, watch, is_buffer=kind != "parameter")
            if has_extra:
                self.extras[start + EXTRA_STATE] = module
        return keys

    def _walk_optimizer(
        self, optimizer: Optimizer, name: str, model: nn.Module, watch: StructureWatch
    ) -> None:
        """Add the tensors in the state of `optimizer`, except those of parameters that live seeds own."""
        watch.add_optimizer(optimizer)
        for parameter_name, parameter in named_parameters(model, optimizer):
            slot = self.slot_of(parameter_name)
            if slot in self._live:
                continue
            self.parameters[name, parameter_name] = parameter
            state = optimizer.state.get(parameter, {})
            watch.add_state(state)
            moments = self.moments[name, parameter_name] = {}
            for own_key, value in state.items():
                if isinstance(value, Tensor):
                    moments[own_key] = key = f"{name}/{parameter_name}/{own_key}"
                    self._add(key, value, "optimizer", slot, watch)

    def _add(
        self,
        key: str,
        tensor: Tensor,
        part: Part,
        slot: str | None,
        watch: StructureWatch,
        *,
        is_buffer: bool = False,
    ) -> None:
        """Add a tensor, or another name of a tensor that has been added already."""
        first = self.first_key[key] = watch.add_tensor(key, tensor)
        if first == key:
            self.tensors[key] = dense_memory(key, tensor, self._read_only)
            self.entries[key] = Entry(
                key=key,
                shape=tuple(tensor.shape),
                dtype=tensor.dtype,
                part=part,
                is_buffer=is_buffer,
                slot=slot,
            )


def named_buffers(root: nn.Module, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the buffers of `root` under all the names that an inventory may give them."""
    for path, module in root.named_modules(remove_duplicate=False):
        for name, tensor, kind in _members(module):
            if kind != "parameter":
                yield f"{prefix}{path}.{name}" if path else f"{prefix}{name}", tensor


def _members(module: nn.Module) -> Iterator[tuple[str, Tensor, Part]]:
    """Yield the tensors of `module` itself, without its children."""
    for name, parameter in module._parameters.items():
        if parameter is not None:
            yield name, parameter, "parameter"
    for name, buffer in module._buffers.items():
        if buffer is None:
            continue
        if name not in module._non_persistent_buffers_set:
            yield name, buffer, "buffer"
        elif not isinstance(module, SeedSlot):
            # A slot's own are part of its seed's life, which goes on after a rollback.
            yield name, buffer, "non_persistent"


def _fingerprint(entries: Iterable[Entry]) -> str:
    """Return 16 hex digits, a hash of the names, shapes and dtypes of `entries`."""
    digest = hashlib.blake2b(digest_size=8)
    for entry in entries:
        digest.update(f"{entry.key} {entry.shape} {entry.dtype};".encode())
    return digest.hexdigest()
