"""The values from which a growth policy decides: plain numbers, no tensors and no modules."""

from dataclasses import dataclass

from esper._generated.enums import SeedStage
from esper._generated.records import SeedEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSignals:
    """The values of one slot at the end of an epoch. Without a seed the numbers are 0."""

    slot_id: str
    topology: str
    """Kind of features that pass through the slot, for which its blueprints are registered: `cnn` or `transformer`."""
    stage: SeedStage
    """DORMANT when the slot is empty."""
    blueprint_id: str | None
    """Blueprint of the seed; None when the slot is empty."""
    alpha: float
    """Weight with which the seed's output is blended in, in [0, 1]."""
    is_ready_to_hold: bool
    """Whether alpha has reached 1 and is no longer changing."""
    epochs_in_stage: int
    total_improvement: float
    """Gain in validation accuracy since germination, in percentage points."""
    stage_improvement: float
    """Gain in validation accuracy since the stage began, in percentage points."""
    contribution: float | None
    """Accuracy lost when the seed is switched off, in percentage points; None when not measured."""
    evidence: SeedEvidence | None = None
    """Latest comparison of the losses with and without the seed; None when not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSignals:
    """The values of a run and its slots at the end of an epoch that the governor found healthy."""

    epoch: int
    """Number of the epoch that has just been trained, from 1."""
    epochs: int
    """Number of epochs planned."""
    val_loss: float
    """Mean loss on the validation data, in nats."""
    val_accuracy: float
    """Accuracy on the validation data, in percent."""
    may_germinate: bool
    """False for some epochs after a rollback, in which no seed should be planted."""
    slots: tuple[SlotSignals, ...]
