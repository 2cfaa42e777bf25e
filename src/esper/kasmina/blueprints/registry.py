"""The registry of blueprints by topology and name: those of this package, and those that users register."""

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import torch
from torch import nn

from esper.kasmina.blueprints import cnn, transformer
from esper.kasmina.topology import Topology, check_topology
from esper.leyline.arguments import check_callable, instance_of, text_of_length
from esper.leyline.errors import SlotError

Factory = Callable[[int], nn.Module]
"""Builds a seed for a number of channels, and draws its initial weights from PyTorch's global generator."""

MAX_NAME_LENGTH: Final = 64
"""Longest name of a blueprint that the telemetry contract allows."""


def noop(channels: int) -> nn.Module:
    """Return the identity, without parameters: a control, for comparing other blueprints with a seed that does nothing."""
    return nn.Identity()


_BLUEPRINTS: Final[dict[Topology, dict[str, Factory]]] = {
    "cnn": {
        "noop": noop,
        "norm": cnn.norm,
        "attention": cnn.ChannelAttentionSeed,
        "depthwise": cnn.depthwise,
        "bottleneck": cnn.bottleneck,
        "conv_small": cnn.conv_small,
        "conv_light": cnn.conv_light,
        "conv_heavy": cnn.conv_heavy,
    },
    "transformer": {
        "noop": noop,
        "norm": transformer.norm,
        "lora": transformer.lora,
        "lora_large": transformer.lora_large,
        "attention": transformer.attention,
        "mlp_small": transformer.mlp_small,
        "mlp": transformer.mlp,
        "attention_all": transformer.attention_all,
    },
    "conv1d": {
        "noop": noop,
        "norm": cnn.norm,
        "attention": cnn.ChannelAttentionSeed,
        "depthwise": partial(cnn.depthwise, convolution=nn.Conv1d),
        "bottleneck": partial(cnn.bottleneck, convolution=nn.Conv1d),
        "conv_small": partial(cnn.conv_small, convolution=nn.Conv1d),
        "conv_light": partial(cnn.conv_light, convolution=nn.Conv1d),
        "conv_heavy": partial(cnn.conv_heavy, convolution=nn.Conv1d),
    },
    "mlp": {
        "noop": noop,
        "norm": transformer.norm,
        "lora": transformer.lora,
        "lora_large": transformer.lora_large,
        "mlp_small": transformer.mlp_small,
        "mlp": transformer.mlp,
    },
}

_PROBE_SHAPES: Final[dict[Topology, tuple[int, ...]]] = {
    "cnn": (2, -1, 8, 8),
    "transformer": (2, 8, -1),
    "conv1d": (2, -1, 8),
    "mlp": (2, -1),
}
"""Shapes of the features that check a new seed, with -1 in the place of the channels."""


def blueprint_ids(topology: Topology) -> tuple[str, ...]:
    """Return the names of the blueprints for `topology`, in the order in which they were registered."""
    return tuple(_BLUEPRINTS[topology])


def register_blueprint(topology: Topology, blueprint_id: str, factory: Factory) -> None:
    """Add your own blueprint, so that `slot.germinate(blueprint_id)` can plant it in slots of `topology`.

        register_blueprint("cnn", "pointwise", lambda channels: nn.Conv2d(channels, channels, 1))

    Register it in each process that plants the seed or loads a checkpoint with it. `blueprint_id` is the name in
    telemetry and checkpoints, of 1 to 64 characters.

    `factory` gets the number of channels C and returns a new module each time. The module maps (B, C, H, W), for `cnn`,
    (B, T, C), for `transformer`, (B, C, L), for `conv1d`, or (B, C), for `mlp`, to the same shape, whatever the other
    sizes are; each germination checks the shape on zeros. In a language model no position may depend on a later one,
    which is not checked. A seed whose positions depend on each other gets padding masks if its class inherits from
    `esper.SequenceSeed`. A seed disturbs its host least if its output is close to its input at first.

    Raises:
        ValueError: `topology` is unknown, `blueprint_id` is empty, too long, taken or not a string, or `factory` is not a
            function.
    """
    check_topology(topology)
    text_of_length("a blueprint's name", blueprint_id, 1, MAX_NAME_LENGTH)
    check_callable("factory", factory)
    if blueprint_id in _BLUEPRINTS[topology]:
        raise ValueError(
            f"a blueprint's name must not be taken, got {blueprint_id!r}; choose another"
        )
    _BLUEPRINTS[topology][blueprint_id] = factory


def build_seed(topology: Topology, blueprint_id: str, channels: int) -> nn.Module:
    """Return a new seed for features with `channels` channels.

    Raises:
        SlotError: there is no such blueprint, or it does not build a module, or one that does not keep the shape.
    """
    try:
        factory = _BLUEPRINTS[topology][blueprint_id]
    except KeyError:
        raise SlotError(
            f"no blueprint {blueprint_id!r} for {topology}; there are:"
            f" {', '.join(blueprint_ids(topology))}"
        ) from None
    remedy = "return the seed from the factory that you registered"
    name = f"the seed that blueprint {blueprint_id!r} builds"
    try:
        built = factory(channels)
    # A factory of the user's may raise anything, and other blueprints are no worse for it.
    except Exception as error:
        raise SlotError(
            f"a blueprint must build a seed for {channels} channels, got {_reason(error)} from blueprint"
            f" {blueprint_id!r}; correct the blueprint, or plant another one here"
        ) from error
    seed = instance_of(name, built, nn.Module, remedy, error=SlotError)
    _check_shape(seed, topology, blueprint_id, channels)
    return seed


def birth_change(topology: Topology, blueprint_id: str, channels: int) -> float:
    """Return how much a newborn seed changes the features, as a share of them: the largest over both modes, and with and without ReLU.

    A seed that is the identity has 0, a convolution alone about 1, and the shipped blueprints at most 0.13. The seed is built only for
    this, and sees normal noise; PyTorch's generators are left as they were.

    Raises:
        SlotError: the same as in `build_seed`.
    """
    with torch.random.fork_rng(devices=[]):
        seed = build_seed(topology, blueprint_id, channels)
        shape = [channels if size < 0 else size for size in _PROBE_SHAPES[topology]]
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            changes = [
                float((seed.train(mode)(features) - features).norm() / features.norm())
                for mode in (False, True)
                for features in (noise, noise.relu())
            ]
    # NaN compares as False; a seed that returns it changes everything.
    return max(math.inf if math.isnan(change) else change for change in changes)


def _reason(error: Exception) -> str:
    """Return the first line of an error, or its type if it says nothing."""
    return f"an error ({str(error).partition(chr(10))[0] or type(error).__name__})"


def _check_shape(seed: nn.Module, topology: Topology, blueprint_id: str, channels: int) -> None:
    """Run the seed on zeros, in evaluation mode, so that it draws no random numbers."""
    probe = torch.zeros([channels if size < 0 else size for size in _PROBE_SHAPES[topology]])
    was_training = seed.training
    with torch.no_grad():
        try:
            output = seed.eval()(probe)
        except Exception as error:
            raise SlotError(
                f"a seed must take features of shape {tuple(probe.shape)}, got {_reason(error)}"
                f" from blueprint {blueprint_id!r}; correct the blueprint"
            ) from error
    seed.train(was_training)
    if not isinstance(output, torch.Tensor) or output.shape != probe.shape:
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise SlotError(
            f"a seed must keep the shape of the features, got {got} for {tuple(probe.shape)}"
            f" from blueprint {blueprint_id!r}; correct the blueprint"
        )
