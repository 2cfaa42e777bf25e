"""The kinds of features that a slot can take, and the order of their dimensions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from torch import Tensor

from esper.leyline.arguments import text_of_length, whole_number
from esper.leyline.errors import SlotError

Topology = Literal["cnn", "transformer", "conv1d", "mlp"]
"""`cnn`: images. `transformer`: sequences. `conv1d`: signals with one dimension of space. `mlp`: one vector a sample."""

LayoutName = Literal["BCHW", "BHWC", "BTC", "TBC", "BCL", "BC"]
"""Order of the dimensions: batch, channels, height and width, positions T of a sequence, length L of a signal."""

MAX_SLOT_ID_LENGTH: Final = 64
"""Longest `slot_id` that the telemetry contract allows."""

TOPOLOGIES: Final[tuple[str, ...]] = get_args(Topology)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The order of the dimensions of a host's features, and how it differs from the order that seeds take.

    Seeds take the first layout of their topology: (B, C, H, W), (B, T, C), (B, C, L) or (B, C).
    """

    name: LayoutName
    topology: Topology
    channel_axis: int
    """Dimension of the channels in the host's features."""
    to_seed: tuple[int, ...] | None = None
    """Permutation from the host's order to that of seeds; None when they are the same."""
    to_host: tuple[int, ...] | None = None
    """Its inverse."""

    @property
    def dimensions(self) -> str:
        """The shape of the features as text, such as (B, C, H, W)."""
        return f"({', '.join(self.name)})"

    def seed_view(self, features: Tensor) -> Tensor:
        """Return a view of the host's `features` in the order that seeds take."""
        return features if self.to_seed is None else features.permute(self.to_seed)

    def host_view(self, output: Tensor) -> Tensor:
        """Return a view of a seed's `output` in the host's order."""
        return output if self.to_host is None else output.permute(self.to_host)


LAYOUTS: Final[Mapping[str, Layout]] = {
    layout.name: layout
    for layout in (
        Layout(name="BCHW", topology="cnn", channel_axis=1),
        Layout(
            name="BHWC",
            topology="cnn",
            channel_axis=3,
            to_seed=(0, 3, 1, 2),
            to_host=(0, 2, 3, 1),
        ),
        Layout(name="BTC", topology="transformer", channel_axis=2),
        Layout(
            name="TBC", topology="transformer", channel_axis=2, to_seed=(1, 0, 2), to_host=(1, 0, 2)
        ),
        Layout(name="BCL", topology="conv1d", channel_axis=1),
        Layout(name="BC", topology="mlp", channel_axis=1),
    )
}


def layout_of(topology: Topology) -> Layout:
    """Return the layout in which the seeds of `topology` take their features."""
    return next(layout for layout in LAYOUTS.values() if layout.topology == topology)


def checked_layout(layout: str | None, topology: str | None) -> Layout:
    """Return the layout that a user describes by its name, by its topology, or by both; (B, C, H, W) if by neither.

    Raises:
        ValueError: one of them is unknown, or they do not go together.
    """
    if topology is not None:
        check_topology(topology)
    if layout is None:
        return layout_of("cnn" if topology is None else topology)  # type: ignore[arg-type] # checked above
    if not isinstance(layout, str) or layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    found = LAYOUTS[layout]
    if topology not in (None, found.topology):
        raise ValueError(
            f"layout {layout} must go with topology {found.topology!r}, got {topology!r}; leave the"
            " topology out"
        )
    return found


def check_topology(topology: str) -> None:
    """Check a topology that a user gave.

    Raises:
        ValueError: `topology` is unknown.
    """
    if topology not in TOPOLOGIES:
        raise ValueError(f"topology must be one of {', '.join(TOPOLOGIES)}, got {topology!r}")


def check_slot_id(slot_id: str) -> None:
    """Check the name of a slot.

    Raises:
        ValueError: `slot_id` is not a string of 1 to 64 characters.
    """
    text_of_length("slot_id", slot_id, 1, MAX_SLOT_ID_LENGTH)


def check_channels(channels: int) -> None:
    """Check the number of channels of a slot that a user gave.

    Raises:
        ValueError: `channels` is not a positive integer.
    """
    if whole_number("channels", channels) < 1:
        raise ValueError(f"channels must be positive, got {channels}")


def check_features(features: Tensor, layout: Layout, channels: int, slot_id: str) -> None:
    """Check the features that a slot passes to its seed.

    A slot for sequences also takes (B, C), as sequences of one position.

    Raises:
        SlotError: they have other dimensions or another number of channels, are no real numbers, or are a nested tensor.
    """
    if features.is_nested:
        raise SlotError(
            f"a seed must get a plain tensor, got a nested one in slot {slot_id!r}; pad its"
            " sequences to one length"
        )
    if not features.is_floating_point():
        raise SlotError(
            f"slot {slot_id!r} must get features of a floating point dtype, got {features.dtype}; graft another module"
        )
    is_expected = features.ndim == len(layout.name) or (features.ndim == 2 and layout.name == "BTC")
    axis = min(layout.channel_axis, features.ndim - 1)
    if not is_expected or features.shape[axis] != channels:
        raise SlotError(
            f"slot {slot_id!r} must get features {layout.dimensions} with C = {channels}, got shape"
            f" {tuple(features.shape)}; describe them in SlotSpec by layout= ({', '.join(LAYOUTS)}) and channels="
        )
