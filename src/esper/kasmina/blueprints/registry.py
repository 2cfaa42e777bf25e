"""The blueprints by topology and name, ours and the user's."""

from collections.abc import Callable
from typing import Final

import torch
from torch import nn

from esper.kasmina.blueprints import cnn, transformer
from esper.kasmina.blueprints.noop import noop
from esper.kasmina.topology import TOPOLOGIES, Topology
from esper.leyline.errors import SlotError

Factory = Callable[[int], nn.Module]
"""Builds a seed for a number of channels; initialised from PyTorch's global generator."""

MAX_NAME_LENGTH: Final = 64
"""What the telemetry contract allows for the name of a blueprint."""

_BLUEPRINTS: Final[dict[Topology, dict[str, Factory]]] = {
    "cnn": {
        "noop": noop,
        "norm": cnn.NormSeed,
        "attention": cnn.ChannelAttentionSeed,
        "depthwise": cnn.depthwise,
        "bottleneck": cnn.bottleneck,
        "conv_small": cnn.conv_small,
        "conv_light": cnn.conv_light,
        "conv_heavy": cnn.conv_heavy,
    },
    "transformer": {
        "noop": noop,
        "norm": transformer.NormSeed,
        "lora": transformer.lora,
        "lora_large": transformer.lora_large,
        "attention": transformer.attention,
        "mlp_small": transformer.mlp_small,
        "mlp": transformer.mlp,
    },
}


def blueprint_ids(topology: Topology) -> tuple[str, ...]:
    """Return the names of the blueprints that fit `topology`."""
    return tuple(_BLUEPRINTS[topology])


def register_blueprint(topology: Topology, blueprint_id: str, factory: Factory) -> None:
    """Add a blueprint of one's own, under a name of 1 to 64 characters that is not taken.

    What `factory` builds must return the shape it is given; a slot checks that when it germinates.

    Raises:
        ValueError: topology or name cannot be used.
    """
    if topology not in TOPOLOGIES:
        raise ValueError(f"topology must be one of {', '.join(TOPOLOGIES)}, got {topology!r}")
    if not 1 <= len(blueprint_id) <= MAX_NAME_LENGTH:
        raise ValueError(
            f"a blueprint's name must have 1 to {MAX_NAME_LENGTH} characters, got {blueprint_id!r}"
        )
    if blueprint_id in _BLUEPRINTS[topology]:
        raise ValueError(
            f"a blueprint's name must not be taken, got {blueprint_id!r}; choose another"
        )
    _BLUEPRINTS[topology][blueprint_id] = factory


def build_seed(topology: Topology, blueprint_id: str, channels: int) -> nn.Module:
    """Return a fresh seed.

    Raises:
        SlotError: there is no such blueprint, or what it builds does not keep the shape.
    """
    try:
        factory = _BLUEPRINTS[topology][blueprint_id]
    except KeyError:
        raise SlotError(
            f"no blueprint {blueprint_id!r} for {topology}; there are:"
            f" {', '.join(blueprint_ids(topology))}"
        ) from None
    seed = factory(channels)
    _check_shape(seed, topology, blueprint_id, channels)
    return seed


def _check_shape(seed: nn.Module, topology: Topology, blueprint_id: str, channels: int) -> None:
    """Try the seed on zeros, which takes no random numbers."""
    probe = torch.zeros((2, channels, 8, 8) if topology == "cnn" else (2, 8, channels))
    was_training = seed.training
    with torch.no_grad():
        output = seed.eval()(probe)
    seed.train(was_training)
    if not isinstance(output, torch.Tensor) or output.shape != probe.shape:
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise SlotError(
            f"a seed must keep the shape of the features, got {got} for {tuple(probe.shape)}"
            f" from blueprint {blueprint_id!r}; mend the blueprint"
        )
