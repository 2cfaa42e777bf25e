"""The kinds of features that a slot can take."""

from typing import Final, Literal, get_args

from esper.leyline.arguments import text_of_length, whole_number

Topology = Literal["cnn", "transformer"]
"""`cnn`: images (B, C, H, W). `transformer`: sequences (B, T, C), where no position may depend on a later one."""

MAX_SLOT_ID_LENGTH: Final = 64
"""Longest `slot_id` that the telemetry contract allows."""

TOPOLOGIES: Final[tuple[str, ...]] = get_args(Topology)


def check_topology(topology: str) -> None:
    """Check a topology that a user gave.

    Raises:
        ValueError: `topology` is unknown.
    """
    if topology not in TOPOLOGIES:
        raise ValueError(f"topology must be one of {', '.join(TOPOLOGIES)}, got {topology!r}")


def check_slot(slot_id: str | None, channels: int, topology: str) -> None:
    """Check the name, unless it is None, the number of channels and the topology of a slot that a user describes.

    Raises:
        ValueError: `slot_id` is not a string of 1 to 64 characters, `channels` is not a positive integer, or `topology` is
            unknown.
    """
    if slot_id is not None:
        text_of_length("slot_id", slot_id, 1, MAX_SLOT_ID_LENGTH)
    if whole_number("channels", channels) < 1:
        raise ValueError(f"channels must be positive, got {channels}")
    check_topology(topology)
