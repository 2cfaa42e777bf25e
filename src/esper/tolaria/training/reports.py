"""The values that a run's telemetry is read from; each class is the source of one event."""

from dataclasses import dataclass

from esper._generated.enums import RunOutcome, Severity
from esper._generated.records import SeedStatus
from esper.leyline.failure import Failure


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
    failure: Failure | None = None
    """None unless an exception ended the run."""

    @property
    def error_type(self) -> str | None:
        """Class of the exception that ended the run."""
        return None if self.failure is None else self.failure.type

    @property
    def error_message(self) -> str | None:
        """Message of that exception."""
        return None if self.failure is None else self.failure.message

    @property
    def error_place(self) -> str | None:
        """File and line where it was raised."""
        return None if self.failure is None else self.failure.place


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopDescription:
    """A run of the user's own loop at its start; the source of LOOP_STARTED. None stands for what is not known."""

    task: str
    seed: int | None
    epochs: int | None
    """Epochs planned."""
    device: str | None
    num_host_params: int | None
    slot_ids: tuple[str, ...]
    esper_version: str
    torch_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEpochReport:
    """An epoch of such a run at its end; the source of LOOP_EPOCH_COMPLETED. None: the loop has not reported the value."""

    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float | None
    metrics: dict[str, float]
    """Further values by name."""
    num_params: int | None
    severity: Severity | None
    """The worst verdict of a governor in the epoch."""
    seeds: tuple[SeedStatus, ...]
    """The slots that are not empty."""
    duration_s: float
