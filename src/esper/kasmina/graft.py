"""Slots for a network that was written without them.

A grafted module changes its class to a subclass of its own, whose forward passes the output on through a slot. So its
parameters keep their names, `isinstance` still holds, and `torch.compile` sees the change, which it would not with a
forward hook. Graft before compiling, before wrapping in DDP, and before building the optimizer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Any, Final

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
"""Name of the slot among the children of a grafted module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSpec:
    """The slot to put behind a module."""

    channels: int
    """Channels of the module's output."""
    topology: Topology = "cnn"
    slot_id: str | None = None
    """Name in telemetry; the path of the module when None."""
    gates: QualityGates | None = None
    """What seeds must show; the strict defaults when None."""


def find_slots(model: nn.Module) -> dict[str, SeedSlot]:
    """Return the slots in `model` by path, grafted and hand-placed ones, in the order of its modules."""
    return {path: module for path, module in model.named_modules() if isinstance(module, SeedSlot)}


def graft(
    model: nn.Module, specs: Mapping[str, SlotSpec], *, channel: Channel = SILENT
) -> dict[str, SeedSlot]:
    """Put an empty slot behind each module that `specs` names by path, and return the slots by those paths.

    Works in place. The slots tell of themselves on `channel`.

    Raises:
        SlotError: a path cannot be grafted; nothing has been changed.
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
        # Seeds will be planted where the module computes, or the model if it has no parameters of its own.
        for parameter in chain(module.parameters(), model.parameters()):
            if parameter.is_floating_point():
                slots[path].to(parameter)
                break
        module.register_module(SLOT_NAME, slots[path].train(module.training))
    return slots


def ungraft(model: nn.Module) -> nn.Module:
    """Take every slot out of `model`, in place, and return it; it computes what it computed before.

    Fossils stay as ordinary modules under the path of their slot. Modules without one get their class back, and an
    empty slot that was placed by hand becomes an identity.

    Raises:
        SlotError: a slot holds a seed whose fate is open; nothing has been changed.
    """
    for path, slot in find_slots(model).items():
        if is_undecided(slot.stage):
            raise SlotError(
                f"every seed must be a fossil or pruned before its slot is taken out, got {path!r}"
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
    """Return the module at `path` if a slot can be put behind it."""
    modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
    module = modules.get(path)
    if module is None:
        near = ", ".join(get_close_matches(path, modules, n=3, cutoff=0.0))
        raise SlotError(
            f"a module to graft must be in the model, got {path!r}; near it are: {near}"
        )
    if isinstance(module, SeedSlot | _Grafted):
        raise SlotError(f"a module to graft must have no slot yet, got {path!r}; leave it out")
    if sum(other is module for other in modules.values()) > 1:
        raise SlotError(
            f"a module to graft must be in one place only, got {path!r}, which is shared; give it a copy"
        )
    if isinstance(module, nn.ModuleList | nn.ModuleDict) or "forward" in vars(module):
        raise SlotError(
            f"a module to graft must have a forward of its class, got {path!r}, a"
            f" {type(module).__name__}; graft a module in it or around it"
        )
    return module


class _Grafted(nn.Module):
    """Passes the output of the class behind it on through a slot."""

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
        """Pickle and copy by the class behind: this one has no importable name."""
        state = self.__getstate__()  # type: ignore[no-untyped-call] # object's, which typeshed leaves untyped
        return _new_grafted, (self.base_class,), state


class _GraftedSequential(_Grafted):
    """A sequence that does not count its slot among its members."""

    def __iter__(self) -> Iterator[nn.Module]:
        return (child for name, child in self.named_children() if name != SLOT_NAME)

    def __len__(self) -> int:
        return len(self._modules) - 1


_GRAFTED_CLASSES: Final[dict[type[nn.Module], type[_Grafted]]] = {}


def _grafted_class(base: type[nn.Module]) -> type[_Grafted]:
    """Return the one class that grafted modules of class `base` have."""
    if base not in _GRAFTED_CLASSES:
        mixin = _GraftedSequential if issubclass(base, nn.Sequential) else _Grafted
        cls = type(f"Grafted{base.__name__}", (mixin, base), {"base_class": base})
        _GRAFTED_CLASSES[base] = cls
    return _GRAFTED_CLASSES[base]


def _new_grafted(base: type[nn.Module]) -> _Grafted:
    cls = _grafted_class(base)
    return cls.__new__(cls)


def _set_class(module: nn.Module, cls: type[nn.Module]) -> None:
    # nn.Module declares no class of its own to assign, but Python allows it between layouts that are alike.
    object.__setattr__(module, "__class__", cls)
