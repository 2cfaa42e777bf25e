"""The figures of one epoch of training, as means over its samples and steps."""

from dataclasses import dataclass

import torch
from torch import Tensor

from esper._generated.enums import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMeans:
    """Loss, accuracy and gradient norm of an epoch."""

    loss: float
    accuracy: float
    grad_norm: float
    severity: Severity
    """The worst verdict on a step."""


class RunningMeans:
    """Sums of an epoch, kept on the device so that the host need not wait for it."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)
        self._num_samples = 0
        self._num_steps = 0

    def add(self, loss: Tensor, logits: Tensor, targets: Tensor, grad_norm: Tensor) -> None:
        """Take in one step: a mean loss, logits (B, classes), targets (B,), the host's gradient norm."""
        num_correct = (logits.detach().argmax(dim=1) == targets).sum()
        self._sums += torch.stack((loss.detach() * len(targets), num_correct, grad_norm))
        self._num_samples += len(targets)
        self._num_steps += 1

    def result(self, severity: Severity) -> TrainingMeans:
        """Return the means; the host waits for the device here."""
        total_loss, num_correct, total_norm = self._sums.tolist()
        return TrainingMeans(
            loss=total_loss / self._num_samples,
            accuracy=100.0 * num_correct / self._num_samples,
            grad_norm=total_norm / self._num_steps,
            severity=severity,
        )
