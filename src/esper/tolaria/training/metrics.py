"""The measurements of an epoch: training means, and scores of a set of samples."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.tasks.objective import Objective
from esper.tolaria.tasks.task import CLASSIFICATION, Samples

_BATCH_SIZE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMeans:
    """Loss, accuracy and gradient norm of an epoch of training, and the governor's worst verdict in it."""

    loss: float
    """Mean over the samples."""
    accuracy: float
    """The objective's metric, in percent."""
    grad_norm: float
    """The host's gradient norm before clipping, mean over the steps."""
    worst_verdict: Verdict
    """The verdict on a step with the highest severity."""


class RunningMeans:
    """Sums over an epoch, kept on the device so that the host does not wait for it at every step."""

    def __init__(self, device: torch.device, objective: Objective = CLASSIFICATION) -> None:
        """Start with sums of zero on `device`."""
        self._objective = objective
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)
        self._num_samples = 0
        self._num_steps = 0

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor, grad_norm: Tensor) -> None:
        """Add one step: its mean loss (0-dim), outputs (B, ...), targets (B, ...), the host's gradient norm (0-dim)."""
        score = self._objective.scores(outputs.detach(), targets).sum()
        self._sums += torch.stack((loss.detach() * len(targets), score, grad_norm))
        self._num_samples += len(targets)
        self._num_steps += 1

    def result(self, worst_verdict: Verdict) -> TrainingMeans:
        """Return the means; the host waits for the device here."""
        total_loss, total_score, total_norm = self._sums.tolist()
        return TrainingMeans(
            loss=total_loss / self._num_samples,
            accuracy=_percent(total_score, self._num_samples),
            grad_norm=total_norm / self._num_steps,
            worst_verdict=worst_verdict,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Loss and metric over a set of samples."""

    loss: float
    """Mean over the samples."""
    accuracy: float
    """The objective's metric, in percent: the accuracy, where there are classes."""
    losses: Tensor
    """Loss of each sample, (N,), in the order of the samples."""


@torch.inference_mode()
def evaluate(
    model: nn.Module, samples: Samples, objective: Objective = CLASSIFICATION
) -> Evaluation:
    """Score `model`, which maps inputs (B, ...) to what `objective` takes, on `samples` in evaluation mode.

    The model's own mode is restored afterwards.
    """
    was_training = model.training
    model.eval()
    losses = []
    loss = torch.zeros((), device=samples.targets.device)
    score = torch.zeros((), device=samples.targets.device)
    for batch in samples.batches(_BATCH_SIZE):
        outputs = model(batch.inputs)
        losses.append(objective.losses(outputs, batch.targets))
        loss += losses[-1].sum()
        score += objective.scores(outputs, batch.targets).sum()
    model.train(was_training)
    # The host waits for the device here, once.
    total_loss, total_score = torch.stack((loss, score)).tolist()
    return Evaluation(
        loss=total_loss / len(samples),
        accuracy=_percent(total_score, len(samples)),
        losses=torch.cat(losses),
    )


def _percent(total_score: float, num_samples: int) -> float:
    """Return the metric: at least 0, the least percentage of the telemetry, which R^2 may fall below."""
    return max(0.0, 100.0 * total_score / num_samples)
