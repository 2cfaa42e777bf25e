"""What the user decides about a run."""

from dataclasses import dataclass
from typing import Literal

from esper.tolaria.training.faults import Fault

DetectorName = Literal["robust", "sigma"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """The settings of one run."""

    epochs: int
    seed: int = 0
    device: str = "cpu"
    detector: DetectorName = "robust"
    """The rule by which the governor judges losses."""
    faults: tuple[Fault, ...] = ()
