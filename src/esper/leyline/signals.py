"""The facts that a growth policy decides by: plain numbers, no tensors and no modules."""

from dataclasses import dataclass

from esper._generated.enums import SeedStage


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSignals:
    """One slot at the end of an epoch. Without a seed the numbers are 0."""

    slot_id: str
    topology: str
    """Kind of features that pass through the slot, as blueprints are registered for it: `cnn` or `transformer`."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSignals:
    """A run at the end of a healthy epoch."""

    epoch: int
    """The epoch that has just been trained, from 1."""
    epochs: int
    """Epochs planned."""
    val_loss: float
    """In nats."""
    val_accuracy: float
    """In percent."""
    may_germinate: bool
    """False for some epochs after a rollback, in which no seed should be planted."""
    slots: tuple[SlotSignals, ...]
