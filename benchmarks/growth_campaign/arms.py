"""The arms of the campaign: the ways to spend parameters and computation on a task that are compared."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to get a network for a task."""

    name: str
    text: str
    """Its name in the table."""
    needs_grown: bool = True
    """Whether it copies its size, seeds or cost from the grown network of the same seed."""


GROWN: Final = "grown"
HOST: Final = "host"
START: Final = "start"
START_EQUAL_COST: Final = "start_equal_cost"
START_REJUVENATED: Final = "start_rejuvenated"
WIDER: Final = "wider"
DEEPER: Final = "deeper"
EQUAL_COST: Final = "equal_cost"
RANDOM: Final = "random"
DEAD: Final = "dead"

ARMS: Final = (
    Arm(name=GROWN, text="**grown**", needs_grown=False),
    Arm(name=HOST, text="host alone", needs_grown=False),
    Arm(name=START, text="the usual grown network, from the start"),
    Arm(name=START_EQUAL_COST, text="the same, for as many FLOPs as grown"),
    Arm(name=START_REJUVENATED, text="the same, rejuvenated when grown was"),
    Arm(name=WIDER, text="wider host of equal parameters"),
    Arm(name=DEEPER, text="deeper host of equal parameters"),
    Arm(name=EQUAL_COST, text="host alone, for as many FLOPs as grown"),
    Arm(name=RANDOM, text="as many seeds and rejuvenations, at random places and times"),
    Arm(name=DEAD, text="dead seeds, rejuvenated when grown was"),
)
