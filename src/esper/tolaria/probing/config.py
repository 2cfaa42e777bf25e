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
    """Batches after which a suspicion is cleared at the latest if they do not show that the snapshot does better."""
    min_batches: int = 2
    """Batches needed to convict: the samples of one batch share its faults, such as wrong labels."""
    patience: int = 12
    """Batches in a row that must show it where the detector itself does not ask for a rollback: damage that heals by itself
    within a few steps, such as that of a bad batch under momentum, needs no rollback."""
    scale_share: float = 0.05
    """Share of the progress, from the first losses of the run to the lowest, that the difference must exceed."""
    rise_share: float = 0.75
    """Share of the rise of the losses above their usual level that the difference must explain: the rest, which the
    snapshot shows too, comes from the batches themselves."""
    canary_interval: int = 100
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
        whole_number("patience", self.patience, minimum=1)
        whole_number("canary_interval", self.canary_interval, minimum=0)
        real_number("scale_share", self.scale_share, minimum=0.0)
        real_number("rise_share", self.rise_share, minimum=0.0)
