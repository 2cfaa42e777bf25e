"""How good a network is, and what each of its seeds is worth."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from esper.kasmina.slot import SeedSlot
from esper.tolaria.tasks.task import Samples

_BATCH_SIZE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Loss and accuracy over a set of samples."""

    loss: float
    """Mean cross entropy in nats."""
    accuracy: float
    """In percent."""


@torch.inference_mode()
def evaluate(model: nn.Module, samples: Samples) -> Evaluation:
    """Score `model` on `samples` in evaluation mode; its mode is put back afterwards."""
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
    """Return how many points of `accuracy` the model loses when the seed in `slot` is switched off."""
    with slot.force_alpha(0.0):
        return accuracy - evaluate(model, samples).accuracy
