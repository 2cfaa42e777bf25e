"""Adds slots to networks that were written without them, and removes them again.

Grafting a module changes its class to a subclass whose forward passes the output through a slot. So its parameters keep
their names, `isinstance` checks still hold, and `torch.compile` sees the change, which it would not with a forward hook.
Graft before compiling, before wrapping in DDP, and before building the optimizer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Any, Final, final

from torch import Tensor, nn

from esper._generated.channel import Channel
from esper._generated.enums import SeedStage
from esper.kasmina.gates import QualityGates
from esper.kasmina.slot import SeedSlot
from esper.kasmina.topology import Topology
from esper.leyline.channel import SILENT
from esper.leyline.errors import SlotError
from esper.leyline.lifecycle import is_undecided

SLOT_NAME: Final = "seed_slot"
"""Name of the slot as a child of the grafted module."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSpec:
    """Describes the slot that `graft` adds after a module."""

    channels: int
    """Channels of the module's output."""
    topology: Topology = "cnn"
    """Kind of the module's output: images (B, C, H, W) or sequences (B, T, C)."""
    slot_id: str | None = None
    """Name in telemetry; the path of the module when None."""
    gates: QualityGates | None = None
    """Thresholds that seeds must reach; the strict defaults when None."""


def find_slots(model: nn.Module) -> dict[str, SeedSlot]:
    """Return all slots in `model` by path, grafted or not, in the order of its modules."""
    return {path: module for path, module in model.named_modules() if isinstance(module, SeedSlot)}


def graft(
    model: nn.Module, specs: Mapping[str, SlotSpec], *, channel: Channel = SILENT
) -> dict[str, SeedSlot]:
    """Add an empty slot after each module that `specs` names by path, and return the slots by those paths.

    The model is changed in place and computes the same as before. The slots emit their telemetry on `channel`. Each
    module must return one tensor of the shape that its spec describes.

    Raises:
        SlotError: no slot can be added at a path; nothing has been changed.
        ValueError: a spec cannot be used; nothing has been changed.
    """
    modules = {path: _graftable(model, path) for path in specs}
    slots = {
        path: SeedSlot(
            spec.slot_id or path,
            spec.channels,
            topology=spec.topology,
            gates=spec.gates,
            channel=channel,
        )
        for path, spec in specs.items()
    }
    for path, module in modules.items():
        _set_class(module, _grafted_class(type(module)))
        # Seeds get the device and dtype of the module, or of the model if the module has no parameters.
        for parameter in chain(module.parameters(), model.parameters()):
            if parameter.is_floating_point():
                slots[path].to(parameter)
                break
        module.register_module(SLOT_NAME, slots[path].train(module.training))
    return slots


def ungraft(model: nn.Module) -> nn.Module:
    """Remove all slots from `model`, in place, and return the model, which computes the same as before.

    Fossils stay as ordinary modules at the path of their slot. Grafted modules without a fossil get their class back, and
    an empty slot that was not grafted becomes an identity.

    Raises:
        SlotError: a slot holds a seed that is neither a fossil nor pruned; nothing has been changed.
    """
    for path, slot in find_slots(model).items():
        if is_undecided(slot.stage):
            raise SlotError(
                f"every seed must be a fossil or pruned before its slot is removed, got {path!r}"
                f" in {slot.stage.name}; advance or prune it first"
            )
    for parent, name, slot in list(_slots_with_parents(model)):
        if slot.stage is SeedStage.FOSSILIZED:
            parent.register_module(name, slot.to_fossil())
        elif isinstance(parent, _Grafted):
            delattr(parent, name)
            _set_class(parent, parent.base_class)
        else:
            parent.register_module(name, nn.Identity())
    return model


def _slots_with_parents(model: nn.Module) -> Iterator[tuple[nn.Module, str, SeedSlot]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, SeedSlot):
                yield parent, name, child


def _graftable(model: nn.Module, path: str) -> nn.Module:
    """Return the module at `path` if a slot can be added after it."""
    modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
    module = modules.get(path)
    if module is None:
        near = get_close_matches(path, filter(None, modules), n=3, cutoff=0.0) or [""]
        raise SlotError(
            f"a module to graft must be in the model, got {path!r};"
            f" the closest paths are: {', '.join(map(repr, near))}"
        )
    if isinstance(module, SeedSlot | _Grafted):
        raise SlotError(f"a module to graft must have no slot yet, got {path!r}; leave it out")
    if sum(other is module for other in modules.values()) > 1:
        raise SlotError(
            f"a module to graft must be in one place only, got {path!r}, which is shared; give it a copy"
        )
    if isinstance(module, nn.ModuleList | nn.ModuleDict) or "forward" in vars(module):
        raise SlotError(
            f"a module to graft must have a class that defines its forward, got {path!r}, a"
            f" {type(module).__name__}; graft a module in it or around it"
        )
    return module


class _Grafted(nn.Module):
    """Passes the output of `base_class` through a slot; the subclasses made below inherit from both."""

    base_class: type[nn.Module]

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        output = super().forward(*args, **kwargs)
        if not isinstance(output, Tensor):
            raise SlotError(
                "a grafted module must return one tensor, got"
                f" {type(output).__name__} from {self.base_class.__name__}; graft a module in it"
            )
        result: Tensor = self.get_submodule(SLOT_NAME)(output)
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by `base_class`: the class itself has no importable name."""
        state = self.__getstate__()  # type: ignore[no-untyped-call] # object's, which typeshed leaves untyped
        return _new_grafted, (self.base_class,), state


class _GraftedSequential(_Grafted):
    """Iterates over and counts the members of a sequence, without its slot."""

    def __iter__(self) -> Iterator[nn.Module]:
        return (child for name, child in self.named_children() if name != SLOT_NAME)

    def __len__(self) -> int:
        return len(self._modules) - 1


_GRAFTED_CLASSES: Final[dict[type[nn.Module], type[_Grafted]]] = {}


def _grafted_class(base: type[nn.Module]) -> type[_Grafted]:
    """Return the class of grafted modules of class `base`; there is one for each `base`."""
    if base not in _GRAFTED_CLASSES:
        mixin = _GraftedSequential if issubclass(base, nn.Sequential) else _Grafted
        cls = type(f"Grafted{base.__name__}", (mixin, base), {"base_class": base})
        _GRAFTED_CLASSES[base] = cls
    return _GRAFTED_CLASSES[base]


def _new_grafted(base: type[nn.Module]) -> _Grafted:
    cls = _grafted_class(base)
    return cls.__new__(cls)


def _set_class(module: nn.Module, cls: type[nn.Module]) -> None:
    # nn.Module has its own __setattr__; Python allows the assignment because both classes have the same layout.
    object.__setattr__(module, "__class__", cls)
