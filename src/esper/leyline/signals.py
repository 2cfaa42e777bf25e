"""The values from which a growth policy decides: plain numbers, no tensors and no modules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

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
    """Newest comparison of the losses with and without the seed; None when not measured."""
    num_params: int = 0
    """Parameters of the seed and its gate."""
    place_signal: float | None = None
    """Norm of the gradient that a linear seed with zero weights would get here; None when not measured, or not empty."""
    blueprint_sizes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Parameters that a seed of each blueprint would have here."""


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
    train_loss: float | None = None
    """Mean loss on the training samples during the epoch, in nats; None when not measured."""
    random_guess_loss: float | None = None
    """Loss of a network that has learned nothing, in nats; None when not known."""
    restarted_after: int = 0
    """Epoch after which the network was rejuvenated last, so that the learning rate started again; 0 if it never was."""
    num_params: int = 0
    """Parameters of the network with its seeds."""
    num_host_params: int = 0
    """Parameters of the host alone."""
    num_updates: int = 0
    """Parameter updates of the run so far: parameters that learn times steps, those of trials included."""
    num_flops: int = 0
    """Floating-point operations of the training steps of the run so far, forward and backward, those of trials included."""
    epoch_flops: int = 0
    """Floating-point operations that the training steps of an epoch take with the seeds as they are."""
    duration_s: float = 0.0
    """Seconds that the run has trained so far; they differ from run to run."""
