"""The kinds of features that a slot can take."""

from typing import Final, Literal, get_args

Topology = Literal["cnn", "transformer"]
"""`cnn`: images (B, C, H, W). `transformer`: sequences (B, T, C), where no position may depend on a later one."""

TOPOLOGIES: Final[tuple[str, ...]] = get_args(Topology)
