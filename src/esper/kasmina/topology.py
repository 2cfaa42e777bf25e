"""The kinds of features that a slot can take."""

from typing import Final, Literal, get_args

Topology = Literal["cnn", "transformer"]
"""`cnn`: images (B, C, H, W). `transformer`: sequences (B, T, C), where no position may depend on a later one."""

TOPOLOGIES: Final[tuple[str, ...]] = get_args(Topology)


def check_topology(topology: str) -> None:
    """Check a topology that a user gave.

    Raises:
        ValueError: `topology` is unknown.
    """
    if topology not in TOPOLOGIES:
        raise ValueError(f"topology must be one of {', '.join(TOPOLOGIES)}, got {topology!r}")
