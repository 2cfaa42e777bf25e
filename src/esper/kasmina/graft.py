"""Adds slots to networks that were written without them, and removes them again.

Grafting a module changes its class to a subclass whose forward passes the output through a slot. So its parameters keep
their names, `isinstance` checks still hold, and `torch.compile` sees the change, which it would not with a forward hook.
Graft before compiling, before wrapping in DDP, and before building the optimizer.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Any, Final, final

from torch import Tensor, nn

from esper._generated.channel import Channel
from esper._generated.enums import SeedStage
from esper.kasmina.gates import QualityGates
from esper.kasmina.slot import SeedSlot
from esper.kasmina.topology import MAX_SLOT_ID_LENGTH, Topology, check_slot
from esper.leyline.arguments import describe, instance_of
from esper.leyline.channel import SILENT
from esper.leyline.errors import SlotError
from esper.leyline.lifecycle import is_undecided

# Subclasses are left out, because their output may be another.
_OUTPUT_CHANNELS: Final[Mapping[tuple[Topology, type[nn.Module]], Callable[[Any], int]]] = {
    ("cnn", nn.Conv2d): lambda module: module.out_channels,
    ("cnn", nn.ConvTranspose2d): lambda module: module.out_channels,
    ("cnn", nn.BatchNorm2d): lambda module: module.num_features,
    ("transformer", nn.Linear): lambda module: module.out_features,
    ("transformer", nn.Embedding): lambda module: module.embedding_dim,
    ("transformer", nn.LayerNorm): lambda module: module.normalized_shape[-1],
    ("transformer", nn.TransformerEncoderLayer): lambda module: module.linear2.out_features,
}
"""The channels of a module's output, by topology and class, where the module tells them."""

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

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: `channels` is not a positive integer, `topology` is unknown, or another value has a wrong type.
        """
        check_slot(self.slot_id, self.channels, self.topology)
        if self.gates is not None:
            instance_of("gates", self.gates, QualityGates)


def find_slots(model: nn.Module) -> dict[str, SeedSlot]:
    """Return all slots in `model` by their own path, grafted or not, in the order of its modules.

    A slot that `graft` added is a child of the grafted module, so after `graft(model, {"stem": spec})` its key here is
    `"stem.seed_slot"`, as in the keys of the model's `state_dict`, while `graft` returns it as `"stem"`.

    Raises:
        ValueError: `model` is not a module.
    """
    instance_of("a model", model, nn.Module)
    return {path: module for path, module in model.named_modules() if isinstance(module, SeedSlot)}


def graft(
    model: nn.Module, specs: Mapping[str, SlotSpec], *, channel: Channel = SILENT
) -> dict[str, SeedSlot]:
    """Add an empty slot after each module that `specs` names by path, and return the slots by those paths.

    The keys of the result are those of `specs`. `find_slots` returns the same slots by their own paths, which end in
    `.seed_slot`. The model is changed in place and computes the same as before. The slots emit their telemetry on
    `channel`. Each module must return one tensor of the shape that its spec describes; the channels are checked here
    where the module's class tells them, such as `nn.Conv2d` and `nn.Linear`, and else when a seed runs.

    Raises:
        SlotError: no slot can be added at a path, or the module has other channels; nothing has been changed.
        ValueError: an argument or a spec cannot be used; nothing has been changed.
    """
    instance_of("a model to graft", model, nn.Module)
    if not isinstance(specs, Mapping):
        raise ValueError(
            f"specs must be a mapping of module paths to SlotSpec, got {describe(specs)};"
            ' write {"path.of.module": SlotSpec(channels=...)}'
        )
    for path, spec in specs.items():
        instance_of(f"the spec of {path!r}", spec, SlotSpec, "write SlotSpec(channels=...)")
        if spec.slot_id is None and isinstance(path, str) and len(path) > MAX_SLOT_ID_LENGTH:
            raise ValueError(
                f"a slot named after its module's path needs a path of at most {MAX_SLOT_ID_LENGTH} characters,"
                f" got {len(path)} in {path!r}; name it with SlotSpec(slot_id=...)"
            )
    modules = {path: _graftable(model, path) for path in specs}
    for path, module in modules.items():
        _check_channels(path, module, specs[path])
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
    instance_of("a path of a module", path, str, error=SlotError)
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


def _check_channels(path: str, module: nn.Module, spec: SlotSpec) -> None:
    """Check the channels of `spec` against those of the output of `module`, if its class tells them."""
    known = _OUTPUT_CHANNELS.get((spec.topology, type(module)))
    if known is not None and (channels := known(module)) != spec.channels:
        raise SlotError(
            f"a slot must have as many channels as its module's output, got {spec.channels} for {path!r}, a"
            f" {type(module).__name__} with {channels}; write SlotSpec(channels={channels})"
        )


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
