"""The values that a run's telemetry is read from; each class is the source of one event."""

from dataclasses import dataclass

from esper._generated.enums import RunOutcome, Severity
from esper._generated.records import SeedStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDescription:
    """A run at its start; the source of RUN_STARTED."""

    task: str
    seed: int
    epochs: int
    """Epochs planned."""
    device: str
    num_host_params: int
    slot_ids: tuple[str, ...]
    num_train: int
    """Training samples."""
    num_validation: int
    """Validation samples."""
    esper_version: str
    torch_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """An epoch at its end; the source of EPOCH_COMPLETED. Accuracies are in percent, losses in nats."""

    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    host_grad_norm: float
    """Mean over the steps, before clipping."""
    learning_rate: float
    """The host's."""
    num_params: int
    """Parameters of the network with its seeds."""
    severity: Severity
    """The worst verdict of the governor in the epoch."""
    seeds: tuple[SeedStatus, ...]
    """The slots that are not empty."""
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run at its end; the source of RUN_FINISHED."""

    outcome: RunOutcome
    epochs_completed: int
    val_accuracy: float | None
    """Of the network that was saved, in percent; None when it was not measured."""
    baseline_accuracy: float | None
    """Of the host trained alone, in percent; None when it was not measured."""
    num_host_params: int
    num_params: int
    duration_s: float
    error_type: str | None = None
    """Name of the class of the exception that ended the run; None unless the run has failed."""
    error_message: str | None = None
    """Its message, in one line; None unless the run has failed."""
    error_place: str | None = None
    """File, line and function that raised it; None unless the run has failed."""
