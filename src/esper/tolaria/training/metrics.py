"""The measurements of an epoch: training means, validation scores, and each seed's contribution."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from esper.kasmina.slot import SeedSlot
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.tasks.task import Samples

_BATCH_SIZE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMeans:
    """Loss, accuracy and gradient norm of an epoch of training, and the governor's worst verdict in it."""

    loss: float
    """Mean cross entropy over the samples, in nats."""
    accuracy: float
    """In percent."""
    grad_norm: float
    """The host's gradient norm before clipping, mean over the steps."""
    worst_verdict: Verdict
    """The verdict on a step with the highest severity."""


class RunningMeans:
    """Sums over an epoch, kept on the device so that the host does not wait for it at every step."""

    def __init__(self, device: torch.device) -> None:
        """Start with sums of zero on `device`."""
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)
        self._num_samples = 0
        self._num_steps = 0

    def add(self, loss: Tensor, logits: Tensor, targets: Tensor, grad_norm: Tensor) -> None:
        """Add one step: its mean loss (0-dim), logits (B, classes), targets (B,), the host's gradient norm (0-dim)."""
        num_correct = (logits.detach().argmax(dim=1) == targets).sum()
        self._sums += torch.stack((loss.detach() * len(targets), num_correct, grad_norm))
        self._num_samples += len(targets)
        self._num_steps += 1

    def result(self, worst_verdict: Verdict) -> TrainingMeans:
        """Return the means; the host waits for the device here."""
        total_loss, num_correct, total_norm = self._sums.tolist()
        return TrainingMeans(
            loss=total_loss / self._num_samples,
            accuracy=100.0 * num_correct / self._num_samples,
            grad_norm=total_norm / self._num_steps,
            worst_verdict=worst_verdict,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Loss and accuracy over a set of samples."""

    loss: float
    """Mean cross entropy in nats."""
    accuracy: float
    """In percent."""


@torch.inference_mode()
def evaluate(model: nn.Module, samples: Samples) -> Evaluation:
    """Score `model`, which maps inputs (B, ...) to logits (B, classes), on `samples` in evaluation mode.

    The model's own mode is restored afterwards.
    """
    was_training = model.training
    model.eval()
    loss = torch.zeros((), device=samples.targets.device)
    correct = torch.zeros((), device=samples.targets.device)
    for batch in samples.batches(_BATCH_SIZE):
        logits = model(batch.inputs)
        loss += cross_entropy(logits, batch.targets, reduction="sum")
        correct += (logits.argmax(dim=1) == batch.targets).sum()
    model.train(was_training)
    # The host waits for the device here, once.
    total_loss, num_correct = torch.stack((loss, correct)).tolist()
    return Evaluation(loss=total_loss / len(samples), accuracy=100.0 * num_correct / len(samples))


def contribution(model: nn.Module, slot: SeedSlot, samples: Samples, accuracy: float) -> float:
    """Return the contribution of the seed in `slot`, in percentage points.

    It is `accuracy`, the model's accuracy on `samples`, minus that with the seed switched off.
    """
    with slot.force_alpha(0.0):
        return accuracy - evaluate(model, samples).accuracy
