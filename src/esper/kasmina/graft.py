"""Adds slots to networks that were written without them, and removes them again.

Grafting a module changes its class to a subclass whose forward passes the output through a slot. So its parameters keep
their names, `isinstance` checks still hold, and `torch.compile` sees the change, which it would not with a forward hook.
Graft before compiling, before wrapping in DDP, and before building the optimizer.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Any, Final, TypeVar, final

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedParameter

from esper._generated.channel import Channel
from esper._generated.enums import SeedStage
from esper.kasmina.forward import Fossil
from esper.kasmina.fused import keep_called, release
from esper.kasmina.gates import Gates, checked_gates
from esper.kasmina.grafted import SLOT_NAME, Grafted, add_slot_class, remove_slot_class
from esper.kasmina.merging import merge_fossil
from esper.kasmina.probe import (
    Output,
    declared_layout,
    infer,
    is_batch_first,
    known_output,
    observe,
    with_surroundings,
)
from esper.kasmina.slot import SeedSlot
from esper.kasmina.topology import (
    LAYOUTS,
    MAX_SLOT_ID_LENGTH,
    Layout,
    LayoutName,
    Topology,
    check_channels,
    check_slot_id,
    checked_layout,
)
from esper.leyline.arguments import describe, instance_of
from esper.leyline.channel import SILENT
from esper.leyline.errors import SlotError
from esper.leyline.lifecycle import is_undecided

_Child = TypeVar("_Child", SeedSlot, Fossil)

_CONTAINERS: Final = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
"""Modules without a forward pass; patterns do not match them."""

_ELLIPSIS: Final = "..."
"""Stands for the start of a path that is too long for the name of a slot."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSpec:
    """Describes the slot that `graft` adds after a module; what is left out is found at grafting."""

    channels: int | None = None
    """Channels of the module's output."""
    topology: Topology | None = None
    """Kind of the module's output: `cnn`, `transformer`, `conv1d` or `mlp`."""
    layout: LayoutName | None = None
    """Order of the dimensions of the module's output, such as `BHWC` or `TBC`."""
    slot_id: str | None = None
    """Name in telemetry; the path of the module when None, or its end if it has more than 64 characters."""
    gates: Gates | None = None
    """Conditions under which seeds advance; the defaults of `QualityGates` when None."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: `channels` is not a positive integer, `topology` or `layout` is unknown, they do not go together, or
                another value has a wrong type.
        """
        if self.slot_id is not None:
            check_slot_id(self.slot_id)
        if self.channels is not None:
            check_channels(self.channels)
        checked_layout(self.layout, self.topology)
        if self.gates is not None:
            checked_gates(self.gates)


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
    model: nn.Module,
    specs: Mapping[str, SlotSpec],
    *,
    example: Any = None,
    channel: Channel = SILENT,
) -> dict[str, SeedSlot]:
    """Add an empty slot after each module that `specs` names by path, and return the slots by those paths.

    A path may be a pattern: `*` stands for any characters but dots, `**` for any characters. So `{"layers.*": SlotSpec()}`
    grafts every member of `layers`. Patterns do not match lists and dictionaries of modules. A module that holds a fossil gets another slot after it.

    With `example`, the model runs once on it, without gradients, random numbers and changes of its statistics. Then each slot
    gets the channels and the layout that its module's output had, and everything that its spec says is checked. `example`
    is the argument of the model, a tuple of its arguments, or a mapping of its keyword arguments. Without it, the class of the
    module must tell what its spec does not, as those of `nn.Conv2d`, `nn.Linear` and other layers do; other mistakes are
    found when a seed runs.

    The keys of the result are the paths of the modules. `find_slots` returns the same slots by their own paths, which end in
    `.seed_slot`. The model is changed in place and computes the same as before. The slots emit their telemetry on
    `channel`. Each module must return one tensor, or a tuple whose first element is the features.

    Raises:
        SlotError: no slot can be added at a path, or the output of its module is not as its spec says, or nothing says
            how it is; nothing has been changed.
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
    found = {path: spec for key, spec in specs.items() for path in _matches(model, key)}
    modules = {path: _graftable(model, path) for path in found}
    outputs = {} if example is None else observe(model, modules, example)
    for path, module in modules.items():
        if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params():
            raise SlotError(
                f"a module to graft must have its parameters, got {path!r}, a {type(module).__name__}; pass example= to"
                " graft, or run the model once before"
            )
    slots = {}
    for path, spec in found.items():
        layout, channels = _describe_output(model, path, modules[path], spec, outputs.get(path))
        slots[path] = SeedSlot(
            spec.slot_id or _slot_id(path),
            channels,
            layout=layout.name,
            gates=spec.gates,
            channel=channel,
        )
    _check_distinct(slots)
    for path, module in modules.items():
        slots[path].set_surroundings(_nearest_with_parameters(model, path))
        add_slot(model, path, module, slots[path])
    return slots


def add_slot(model: nn.Module, path: str, module: nn.Module, slot: _Child) -> None:
    """Put `slot` after `module`, which is at `path`, or is a fossil after the module there."""
    keep_called(model, path, slot)
    like_host(model, module, slot)
    add_slot_class(module)
    module.register_module(SLOT_NAME, slot)


def like_host(model: nn.Module, module: nn.Module, slot: _Child) -> _Child:
    """Return `slot`, which `module` will hold, on the device, in the dtype and in the mode of `module`."""
    # Those of the model if the module has no parameters.
    for parameter in chain(module.parameters(), model.parameters()):
        if parameter.is_floating_point() and not isinstance(parameter, UninitializedParameter):
            slot.to(parameter)
            break
    return slot.train(module.training)


def ungraft(model: nn.Module, *, merge: bool = False) -> nn.Module:
    """Remove all slots from `model`, in place, and return the model, which computes the same as before.

    Fossils stay as ordinary modules at the path of their slot. Grafted modules without a fossil get their class back, and
    an empty slot that was not grafted becomes an identity. To load the weights elsewhere, see `esper.describe`.

    With `merge`, a fossil that is a linear map after an `nn.Linear`, as the blueprints `lora` and `lora_large` are, is
    multiplied into the weights of that layer, and nothing of it remains; the output differs by rounding then. Others stay
    fossils: those of other blueprints, those blended otherwise than by ADD, and those after weights that are shared,
    parametrized, or not those of an `nn.Linear`.

    Raises:
        SlotError: a slot holds a seed that is neither a fossil nor pruned; nothing has been changed.
    """
    for path, slot in find_slots(model).items():
        if is_undecided(slot.stage):
            raise SlotError(
                f"every seed must be a fossil or pruned before its slot is removed, got {path!r}"
                f" in {slot.stage.name}; advance or prune it first"
            )
    for parent, name, child in list(_slots_with_parents(model)):
        if isinstance(child, SeedSlot) and child.stage is SeedStage.FOSSILIZED:
            fossil = child.to_fossil().train(child.training)
            # Torch's fused layers look for hooks, and this one must still keep them from leaving the fossil out.
            fossil._forward_pre_hooks = child._forward_pre_hooks
            parent.register_module(name, fossil)
        elif isinstance(child, SeedSlot):
            if isinstance(parent, Grafted) and name == SLOT_NAME:
                _remove(parent)
            else:
                parent.register_module(name, nn.Identity())
    if merge:
        for module in list(model.modules()):
            if isinstance(module, Grafted):
                _merge(model, module)
    release(model)
    return model


def _merge(model: nn.Module, module: Grafted) -> None:
    """Merge the fossils of `module` one after the other, up to the first that cannot be merged, which takes their place."""
    fossil: nn.Module | None = module._modules[SLOT_NAME]
    while fossil is not None and merge_fossil(model, module, fossil):
        # A network that was grafted again has the later fossil as a child of the earlier one.
        fossil = fossil._modules[SLOT_NAME] if isinstance(fossil, Grafted) else None
        if fossil is None:
            _remove(module)
        else:
            module.register_module(SLOT_NAME, fossil)


def _remove(module: Grafted) -> None:
    delattr(module, SLOT_NAME)
    remove_slot_class(module)


def _slots_with_parents(model: nn.Module) -> Iterator[tuple[nn.Module, str, SeedSlot | Fossil]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, SeedSlot | Fossil):
                yield parent, name, child


def _matches(model: nn.Module, path: object) -> list[str]:
    """Return the paths of the modules that a key of the specs means: itself, or those that it matches as a pattern.

    Raises:
        SlotError: it is not a string, or a pattern that matches no module.
    """
    path = instance_of("a path of a module", path, str, error=SlotError)
    if "*" not in path:
        return [path]
    parts = (
        ".*" if part == "**" else "[^.]*" if part == "*" else re.escape(part)
        for part in re.split(r"(\*\*?)", path)
    )
    pattern = re.compile("".join(parts))
    inner = tuple(
        f"{name}."
        for name, module in model.named_modules()
        if isinstance(module, SeedSlot | Fossil)
    )
    found = [
        name
        for name, module in model.named_modules()
        if pattern.fullmatch(name)
        and not isinstance(module, (SeedSlot, Fossil, *_CONTAINERS))
        and not name.startswith(inner)
    ]
    if not found:
        raise SlotError(
            f"a pattern must match a module of the model, got {path!r}; print its named_modules()"
        )
    return found


def _graftable(model: nn.Module, path: str) -> nn.Module:
    """Return the module after which the slot at `path` goes, if there can be one: the module there, or its last fossil."""
    modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
    module = modules.get(path)
    if module is None:
        near = get_close_matches(path, filter(None, modules), n=3, cutoff=0.0) or [""]
        raise SlotError(
            f"a module to graft must be in the model, got {path!r};"
            f" the closest paths are: {', '.join(map(repr, near))}"
        )
    while isinstance(module, Grafted) and isinstance(module._modules[SLOT_NAME], Fossil):
        module = module.get_submodule(SLOT_NAME)
    if isinstance(module, SeedSlot | Grafted):
        raise SlotError(f"a module to graft must have no slot yet, got {path!r}; leave it out")
    if sum(other is module for other in modules.values()) > 1:
        raise SlotError(
            f"a module to graft must be in one place only, got {path!r}, which is shared; give it a copy"
        )
    if isinstance(module, _CONTAINERS) or "forward" in vars(module):
        raise SlotError(
            f"a module to graft must have a class that defines its forward, got {path!r}, a"
            f" {type(module).__name__}; graft a module in it or around it"
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise SlotError(
            f"a module to graft must not be compiled by torch.jit, got {path!r}; graft before that"
        )
    _check_surroundings(model, path)
    return module


def _check_surroundings(model: nn.Module, path: str) -> None:
    """Refuse a module that the modules around it never call, or replace."""
    for place, module in with_surroundings(model, path):
        if isinstance(module, nn.MultiheadAttention) and place != path:
            raise SlotError(
                f"a module to graft must be called, got {path!r}, whose weights {type(module).__name__} uses without calling"
                f" it; graft {place!r}, whose first output is the features"
            )
        if any(
            (c.__module__.partition(".")[0], c.__name__) == ("peft", "BaseTunerLayer")
            for c in type(module).__mro__
        ):
            raise SlotError(
                f"a module to graft must not be part of a PEFT layer, got {path!r}: merging the adapter would remove the slot"
                " or change its input; graft the module around it"
            )


def _nearest_with_parameters(model: nn.Module, path: str) -> nn.Module:
    """Return the module at `path` if it has parameters, or else the nearest one around it that has."""
    around = (module for _, module in with_surroundings(model, path))
    return next((module for module in around if any(True for _ in module.parameters())), model)


def _describe_output(
    model: nn.Module, path: str, module: nn.Module, spec: SlotSpec, output: Output | None
) -> tuple[Layout, int]:
    """Return the layout and channels of the slot at `path`: those of its spec where they agree with the output of `module`.

    Raises:
        SlotError: they do not agree, or nothing tells them.
    """
    given = None if spec.layout is None else LAYOUTS[spec.layout]
    if output is not None:
        layout, channels = infer(
            path,
            output,
            topology=spec.topology if given is None else given.topology,
            is_batch_first=is_batch_first(model, path, anywhere=True),
        )
        if given is not None:
            channels = output.shape[min(given.channel_axis, len(output.shape) - 1)]
    elif isinstance(module, Fossil):
        layout, channels = LAYOUTS[module.plan.layout], module.plan.channels
    elif (known := known_output(module)) is not None and spec.topology in (None, known[0]):
        layout, channels = declared_layout(model, path, known[0]), known[1]
    elif spec.channels is not None:
        layout, channels = declared_layout(model, path, spec.topology or "cnn"), spec.channels
    else:
        raise SlotError(
            f"the channels of a slot must be known, got {path!r}, a {type(module).__name__}; pass example= to graft, or"
            " write SlotSpec(channels=...)"
        )
    if given is not None:
        layout = given
    if spec.channels not in (None, channels):
        seen = "" if output is None else f", whose output on the example has shape {output.shape}"
        raise SlotError(
            f"a slot must have as many channels as its module's output, got {spec.channels} for {path!r}, a"
            f" {type(module).__name__} with {channels}{seen}; write SlotSpec(channels={channels})"
        )
    return layout, channels


def _slot_id(path: str) -> str:
    """Return the name of a slot that is named after its module's path."""
    if len(path) <= MAX_SLOT_ID_LENGTH:
        return path or "model"
    return _ELLIPSIS + path[len(_ELLIPSIS) - MAX_SLOT_ID_LENGTH :]


def _check_distinct(slots: Mapping[str, SeedSlot]) -> None:
    paths: dict[str, str] = {}
    for path, slot in slots.items():
        if slot.slot_id in paths:
            raise ValueError(
                f"slots must have names of their own, got {slot.slot_id!r} for {paths[slot.slot_id]!r} and {path!r}; name"
                " them with SlotSpec(slot_id=...)"
            )
        paths[slot.slot_id] = path
