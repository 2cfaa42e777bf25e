"""What a growth policy may see: plain numbers, no tensors and no modules."""

from dataclasses import dataclass

from esper._generated.enums import SeedStage


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSignals:
    """One slot at the end of an epoch."""

    slot_id: str
    topology: str
    """Kind of features that pass through it, as blueprints are registered: `cnn` or `transformer`."""
    stage: SeedStage
    blueprint_id: str | None
    """Blueprint of its seed; None when it is empty."""
    alpha: float
    """Amplitude of its seed, in [0, 1]."""
    is_ready_to_hold: bool
    """Whether the amplitude has reached one and rests there."""
    epochs_in_stage: int
    total_improvement: float
    """Gain in validation accuracy since germination, in percentage points."""
    stage_improvement: float
    """The same since the stage began."""
    contribution: float | None
    """Accuracy lost when the seed is switched off, in percentage points; None when not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSignals:
    """A run at the end of a healthy epoch."""

    epoch: int
    """The epoch just trained, from 1."""
    epochs: int
    """Epochs planned."""
    val_loss: float
    val_accuracy: float
    """In percent."""
    may_germinate: bool
    """False while the governor holds germination back."""
    slots: tuple[SlotSignals, ...]
