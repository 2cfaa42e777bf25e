"""The settings of paired comparisons: how many batches decide, and what counts as clearly better."""

from dataclasses import dataclass
from typing import Literal

from esper.leyline.arguments import real_number, whole_number


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeConfig:
    """How the present weights are compared with a snapshot. The defaults were set on small trainings of many kinds."""

    keep: Literal["reference", "copy"] = "reference"
    """How the batch of the canary is kept: the object itself, or a copy, for loaders that use the same memory again."""
    max_batches: int = 4
    """Batches after which a suspicion is decided at the latest."""
    min_batches: int = 2
    """Batches needed to convict: the samples of one batch share its faults, such as wrong labels."""
    scale_share: float = 0.05
    """Share of the losses' size that the difference must exceed."""
    rise_share: float = 0.25
    """Share of the rise of the losses above their usual level that the difference must explain: if the snapshot hardly does
    better on these batches than the present weights, most of the rise comes from the batches themselves."""
    floor_share: float = 0.05
    """Share of the size of the first losses below which the size of later ones does not fall in that comparison: a
    network that has memorised its data has losses that vary by factors without any damage."""
    canary_interval: int = 50
    """Steps between two looks at the canary; 0 turns it off. A look costs one call of the probe."""

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: a setting is of another type or out of its range.
        """
        if self.keep not in ("reference", "copy"):
            raise ValueError(f"keep must be 'reference' or 'copy', got {self.keep!r}")
        whole_number("min_batches", self.min_batches, minimum=1)
        whole_number("max_batches", self.max_batches, minimum=self.min_batches)
        whole_number("canary_interval", self.canary_interval, minimum=0)
        real_number("scale_share", self.scale_share, minimum=0.0)
        real_number("rise_share", self.rise_share, minimum=0.0)
        real_number("floor_share", self.floor_share, minimum=0.0)
