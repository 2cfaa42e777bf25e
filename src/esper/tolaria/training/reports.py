"""What the loop tells of a run; each satisfies the source of one event."""

from dataclasses import dataclass

from esper._generated.enums import RunOutcome, Severity
from esper._generated.records import SeedStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDescription:
    """A run as it begins; the source of RUN_STARTED."""

    task: str
    seed: int
    epochs: int
    device: str
    num_host_params: int
    slot_ids: tuple[str, ...]
    num_train: int
    num_validation: int
    esper_version: str
    torch_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """An epoch; the source of EPOCH_COMPLETED. Accuracies are percentages, losses nats."""

    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    host_grad_norm: float
    """Mean over the steps, before clipping."""
    learning_rate: float
    num_params: int
    severity: Severity
    seeds: tuple[SeedStatus, ...]
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run as it ended; the source of RUN_FINISHED."""

    outcome: RunOutcome
    epochs_completed: int
    val_accuracy: float | None
    """Of the network that was saved, in percent; None when none was measured."""
    baseline_accuracy: float | None
    """Of the host alone, in percent; None when not measured."""
    num_host_params: int
    num_params: int
    duration_s: float
