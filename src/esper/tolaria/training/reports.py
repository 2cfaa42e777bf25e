"""The values that a run's telemetry is read from; each class is the source of one event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esper._generated.enums import RunOutcome, Severity
from esper._generated.records import SeedStatus
from esper._generated.run import emit_run_finished
from esper.leyline.channel import TelemetryChannel
from esper.leyline.failure import Failure

if TYPE_CHECKING:
    # It needs PyTorch, which the tests of log sinks do without.
    from esper.tolaria.training.metrics import Evaluation


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
    num_test: int | None
    """Test samples; None if the task has none."""
    metric: str
    """Name of the metric that the accuracies are."""
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
    val_loss: float | None = None
    """Of the network that was saved, in nats; None when it was not measured."""
    baseline_loss: float | None = None
    """Of the host trained alone, in nats; None when it was not measured."""
    test: Evaluation | None = None
    """The network that was saved, on the test samples; None when there are none, or the run did not get to its end."""
    baseline_test: Evaluation | None = None
    """The host trained alone, on the test samples; None when there are none, or it was not trained to its end."""
    failure: Failure | None = None
    """None unless an exception ended the run."""
    num_updates: int | None = None
    """Parameters that got a gradient, summed over the optimizer steps, those of trials included; None when not known."""
    num_flops: float | None = None
    """Floating-point operations of these steps; None when not known."""

    @property
    def test_loss(self) -> float | None:
        """Loss on the test samples, in nats; None when it was not measured."""
        return None if self.test is None else self.test.loss

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy on the test samples, in percent; None when it was not measured."""
        return None if self.test is None else self.test.accuracy

    @property
    def baseline_test_loss(self) -> float | None:
        """Loss of the host trained alone on the test samples, in nats; None when it was not measured."""
        return None if self.baseline_test is None else self.baseline_test.loss

    @property
    def baseline_test_accuracy(self) -> float | None:
        """Accuracy of the host trained alone on the test samples, in percent; None when it was not measured."""
        return None if self.baseline_test is None else self.baseline_test.accuracy

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


def emit_result(channel: TelemetryChannel, result: RunResult) -> None:
    """Emit RUN_FINISHED with every value of `result`."""
    emit_run_finished(
        channel,
        result,
        error_type=result.error_type,
        error_message=result.error_message,
        error_place=result.error_place,
        val_loss=result.val_loss,
        baseline_loss=result.baseline_loss,
        test_loss=result.test_loss,
        test_accuracy=result.test_accuracy,
        baseline_test_loss=result.baseline_test_loss,
        baseline_test_accuracy=result.baseline_test_accuracy,
        num_updates=result.num_updates,
        num_flops=result.num_flops,
    )
