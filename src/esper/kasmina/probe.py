"""Finds out what the output of a module is: by its class, or by running the network once on an example."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from esper.kasmina.topology import LAYOUTS, Layout, LayoutName, Topology, layout_of
from esper.leyline.errors import SlotError

_CHANNELS_FIRST: Final = (
    nn.Conv1d,
    nn.Conv2d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
)
"""Layers whose output has its channels in dimension 1."""
_CHANNELS_LAST: Final = (
    nn.Linear,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.Embedding,
    nn.RNNBase,
    nn.MultiheadAttention,
)
"""Layers whose output has its channels in the last dimension."""

_NORMS_OF_LAST: Final = (nn.LayerNorm, nn.RMSNorm)
"""Layers that normalise the last dimension; subclasses, as in ConvNeXt, may normalise dimension 1."""

_OUTPUTS: Final[Mapping[type[nn.Module], tuple[Topology, Callable[[Any], int]]]] = {
    nn.Conv1d: ("conv1d", lambda module: module.out_channels),
    nn.ConvTranspose1d: ("conv1d", lambda module: module.out_channels),
    nn.Conv2d: ("cnn", lambda module: module.out_channels),
    nn.ConvTranspose2d: ("cnn", lambda module: module.out_channels),
    nn.BatchNorm2d: ("cnn", lambda module: module.num_features),
    nn.Linear: ("transformer", lambda module: module.out_features),
    nn.Embedding: ("transformer", lambda module: module.embedding_dim),
    nn.LayerNorm: ("transformer", lambda module: module.normalized_shape[-1]),
    nn.TransformerEncoderLayer: ("transformer", lambda module: module.linear2.out_features),
}
"""The topology and channels of a module's output, by its class. Subclasses are left out: their output may be another."""

_BY_CHANNELS_FIRST: Final[Mapping[tuple[int, bool], LayoutName]] = {
    (2, True): "BC",
    (2, False): "BC",
    (3, True): "BCL",
    (3, False): "BTC",
    (4, True): "BCHW",
    (4, False): "BHWC",
}
"""The layout of features, by the number of their dimensions and whether the channels are in dimension 1."""


@final
@dataclass(slots=True)
class Output:
    """A module's output in a run of the network on an example."""

    shape: tuple[int, ...]
    is_channels_first: bool | None
    """Order of the dimensions after the last layer of known class that ran before the output; None without one."""
    num_channels: int
    """Channels of that layer; 0 without one."""


def known_output(module: nn.Module) -> tuple[Topology, int] | None:
    """Return the topology and channels of the output of `module` if its class tells them, else None."""
    known = _OUTPUTS.get(type(module))
    return None if known is None else (known[0], known[1](module))


def observe(model: nn.Module, modules: Mapping[str, nn.Module], example: Any) -> dict[str, Output]:
    """Run `model` on `example`, without gradients and in evaluation mode, and return the outputs of `modules` by path.

    `example` is the model's argument, a tuple of its arguments, or a mapping of its keyword arguments.

    Raises:
        SlotError: one of `modules` did not run, or has an output without features.
    """
    outputs: dict[str, Output] = {}
    latest: list[tuple[bool, int]] = []

    def remember_layer(module: nn.Module, _: Any, output: Any) -> None:
        shape = _features(output)
        if shape is not None and len(shape) > 1:
            before = latest[0][0] if latest else False
            first = _is_channels_first(module, shape, before)
            latest[:] = [(first, shape[1] if first else shape[-1])]

    def remember_output(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            shape = _features(output)
            if isinstance(first := _first(output), Tensor) and not first.is_floating_point():
                raise SlotError(
                    f"a grafted module must return features of a floating point dtype, got {first.dtype} from {path!r}, a"
                    f" {type(module).__name__}; graft a module before or after it"
                )
            if shape is None or not 2 <= len(shape) <= 4:
                got = type(output).__name__ if shape is None else f"shape {shape}"
                raise SlotError(
                    "a grafted module must return features of 2 to 4 dimensions, or a tuple that starts with them,"
                    f" got {got} from {path!r}, a {type(module).__name__}; graft a module in it"
                )
            is_first, channels = latest[0] if latest else (None, 0)
            outputs[path] = Output(shape, is_first, channels)

        return hook

    layers = [m for m in model.modules() if isinstance(m, _CHANNELS_FIRST + _CHANNELS_LAST)]
    handles = [layer.register_forward_hook(remember_layer) for layer in layers]
    handles += [m.register_forward_hook(remember_output(path)) for path, m in modules.items()]
    try:
        _run(model, example)
    finally:
        for handle in handles:
            handle.remove()
    for path, module in modules.items():
        if path not in outputs:
            raise SlotError(
                f"a module to graft must run, got {path!r}, a {type(module).__name__}, which the model did not call on the"
                " example; graft a module that it calls"
            )
    return outputs


def infer(
    path: str, output: Output, *, topology: Topology | None, is_batch_first: bool
) -> tuple[Layout, int]:
    """Return the layout and the number of channels of an observed output; `topology` decides where it may.

    Raises:
        SlotError: the output cannot have this topology, or nothing tells the order of its dimensions.
    """
    num_dimensions, is_first = len(output.shape), output.is_channels_first
    if topology is not None and topology != "cnn":
        is_first = topology == "conv1d"
    elif is_first is None and num_dimensions == 3:
        raise SlotError(
            f"the order of the dimensions at {path!r} must be known, got shape {output.shape} and no layer of PyTorch before"
            " it; write SlotSpec(layout=...)"
        )
    elif is_first is not None:
        by_place = {True: output.shape[1], False: output.shape[-1]}
        # A view or permutation may come after the layer.
        if by_place[is_first] != output.num_channels == by_place[not is_first]:
            is_first = not is_first
    layout = LAYOUTS[_BY_CHANNELS_FIRST[num_dimensions, is_first is not False]]
    if layout.name == "BC" and topology == "transformer":
        layout = LAYOUTS["BTC"]
    if topology not in (None, layout.topology):
        raise SlotError(
            f"a slot must have the topology of its module's output, got {topology!r} for {path!r}, whose output on the"
            f" example has shape {output.shape}; leave the topology out"
        )
    if layout.name == "BTC" and num_dimensions == 3 and not is_batch_first:
        layout = LAYOUTS["TBC"]
    return layout, output.shape[min(layout.channel_axis, num_dimensions - 1)]


def is_batch_first(model: nn.Module, path: str, *, anywhere: bool) -> bool:
    """Return whether sequences at `path` have the batch in dimension 0, by the `batch_first` of the nearest module.

    That is the module itself or one around it; with `anywhere` also one in it, or all others if they agree.
    """
    around = [module for _, module in with_surroundings(model, path)]
    module = around[0]
    elsewhere = (module.modules(), model.modules()) if anywhere else ()
    for candidates in (around, *elsewhere):
        found = [flag for each in candidates if (flag := _batch_first_of(each)) is not None]
        if found:
            return found[0] if candidates is around else any(found)
    return True


def _batch_first_of(module: nn.Module) -> bool | None:
    """Return whether `module` says that its sequences have the batch in dimension 0; None if it does not say."""
    if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        module = module.self_attn
    flag = vars(module).get("batch_first")
    return None if flag is None else bool(flag)


def declared_layout(model: nn.Module, path: str, topology: Topology) -> Layout:
    """Return the layout of `topology` at `path`, with the batch where the modules around it have it."""
    layout = layout_of(topology)
    if layout.name == "BTC" and not is_batch_first(model, path, anywhere=False):
        return LAYOUTS["TBC"]
    return layout


def with_surroundings(model: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the module at `path` and those around it, the model last, with their paths."""
    while path:
        yield path, model.get_submodule(path)
        path = path.rpartition(".")[0]
    yield "", model


def _is_channels_first(module: nn.Module, shape: tuple[int, ...], before: bool) -> bool:
    """Return whether the output of a layer of known class has its channels in dimension 1; `before` says it of its input."""
    if type(module) not in _NORMS_OF_LAST and isinstance(module, _NORMS_OF_LAST):
        # Subclasses for images permute inside and keep the channels where they are.
        num_channels = module.normalized_shape[-1]
        if shape[1] == num_channels:
            return before or shape[-1] != num_channels
    return isinstance(module, _CHANNELS_FIRST)


def _features(output: Any) -> tuple[int, ...] | None:
    """Return the shape of a tensor, or of the first one in a tuple; None if there is no such tensor."""
    output = _first(output)
    return tuple(output.shape) if isinstance(output, Tensor) and not output.is_nested else None


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) and output else output


def _run(model: nn.Module, example: Any) -> None:
    args: tuple[Any, ...] = (example,)
    kwargs: dict[str, Any] = {}
    if isinstance(example, Mapping):
        args, kwargs = (), dict(example)
    elif isinstance(example, tuple | list):
        args = tuple(example)
    with evaluating(model), torch.no_grad(), torch.random.fork_rng():
        model(*args, **kwargs)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode, and each of its modules back into its own mode afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
