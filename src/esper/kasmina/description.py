"""Describes what a network has grown in plain values, and builds it again in a network that has grown nothing."""

from collections.abc import Mapping
from typing import Any, Final, Literal, final

import msgspec
from torch import nn

from esper._generated.enums import AlphaAlgorithm
from esper.kasmina.blend import SampleGate
from esper.kasmina.blueprints.registry import build_seed
from esper.kasmina.forward import Fossil, FossilPlan
from esper.kasmina.graft import add_slot, like_host, ungraft
from esper.kasmina.grafted import SLOT_NAME
from esper.kasmina.holder import own_random_numbers
from esper.kasmina.slot import SeedSlot
from esper.kasmina.topology import LAYOUTS
from esper.leyline.arguments import instance_of
from esper.leyline.errors import CheckpointError, SlotError
from esper.leyline.lifecycle import is_undecided

_FORMAT: Final = 1


@final
class _Description(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What `describe` returns, with its types."""

    format: Literal[1]
    fossils: dict[str, FossilPlan]


def describe(model: nn.Module) -> dict[str, Any]:
    """Return what `model` has grown, as nested dicts of strings and numbers that JSON can hold.

    `rebuild(host, description)` grows the same in another instance of the host, into which the `state_dict` of the model
    can be loaded once `ungraft` has removed its slots:

        ungraft(model)
        torch.save((describe(model), model.state_dict()), "grown.pt")

        description, weights = torch.load("grown.pt")
        grown = rebuild(MyNetwork(), description)
        grown.load_state_dict(weights)

    Raises:
        ValueError: `model` is not a module.
        SlotError: a slot holds a seed that is neither a fossil nor pruned.
    """
    instance_of("a model", model, nn.Module)
    fossils = {}
    for path, module in model.named_modules():
        if isinstance(module, Fossil):
            fossils[path] = module.plan
        elif isinstance(module, SeedSlot) and is_undecided(module.stage):
            raise SlotError(
                f"every seed must be a fossil or pruned to be described, got {path!r} in {module.stage.name};"
                " advance or prune it first"
            )
        elif isinstance(module, SeedSlot) and module.seed is not None:
            fossils[path] = module.fossil_plan()
    plain: dict[str, Any] = msgspec.to_builtins(_Description(format=_FORMAT, fossils=fossils))
    return plain


def rebuild(model: nn.Module, description: Mapping[str, Any]) -> nn.Module:
    """Grow in `model`, in place, what `describe` described, and return the model.

    `model` is a network as the described one was before anything was grown in it; empty slots in it are removed. The fossils
    get random weights, for which none of the caller's random numbers are spent: load a `state_dict` next. They are ordinary
    modules, as after `ungraft`.

    Raises:
        CheckpointError: `description` is not one that `describe` returned, or does not fit `model`; it is unchanged.
        SlotError: the blueprint of a fossil is not registered, or `model` has a seed.
        ValueError: `model` is not a module.
    """
    instance_of("a model", model, nn.Module)
    try:
        fossils = msgspec.convert(dict(description), _Description).fossils
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"a description must be one that esper.describe returned, got: {error}"
        ) from error
    modules = dict(model.named_modules())
    for path in fossils:
        parent, _, name = path.rpartition(".")
        is_free = (name == SLOT_NAME or path in modules) and not isinstance(
            modules.get(path), Fossil
        )
        if parent not in {*modules, *fossils} or not is_free:
            raise CheckpointError(
                f"a description must fit the model, which has no place for the fossil {path!r}; use a model of"
                " the class that was described"
            )
    built = {path: _build(path, plan) for path, plan in fossils.items()}
    ungraft(model)
    # A fossil after a fossil is described after it.
    for path, fossil in built.items():
        parent, _, name = path.rpartition(".")
        module = model.get_submodule(parent)
        if name == SLOT_NAME:
            add_slot(model, parent, module, fossil)
        else:
            module.register_module(name, like_host(model, module, fossil))
    return model


def _build(path: str, plan: FossilPlan) -> Fossil:
    """Return a fossil with random weights."""
    topology = LAYOUTS[plan.layout].topology
    with own_random_numbers(path, None):
        seed = build_seed(topology, plan.blueprint_id, plan.channels)
        is_gated = plan.algorithm is AlphaAlgorithm.GATE
        gate = SampleGate(plan.channels, topology) if is_gated else None
    return Fossil(seed, gate, plan)
