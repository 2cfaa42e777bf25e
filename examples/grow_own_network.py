"""Grow a network of your own in a loop of your own, and compare it with the same network that does not grow.

python examples/grow_own_network.py [SEED ...]    more than one: prints the mean gain with its 95 % interval
"""

import sys
from statistics import fmean

import torch
from scipy.stats import ttest_rel
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from esper import SeedSlot, TolariaGovernor, capture_gradient_health, follow

EPOCHS, PLANTING_EPOCH, LEARNING_RATE = 30, 4, 0.05
pixels, labels = load_digits(return_X_y=True)
images, targets = torch.tensor(pixels).float().reshape(-1, 1, 8, 8) / 16, torch.tensor(labels)
train_x, val_x, train_y, val_y = images[:1437], images[1437:], targets[:1437], targets[1437:]


@torch.no_grad()
def measure_accuracy(model: nn.Module) -> float:
    """Return the validation accuracy in percentage points."""
    right = model.eval()(val_x).argmax(dim=1) == val_y
    model.train()
    return 100 * right.float().mean().item()


def train(seed: int, *, grows: bool) -> float:
    """Train a network of 218 parameters, let it grow or not, and return its accuracy."""
    torch.manual_seed(seed)
    slot = SeedSlot("after-stem", channels=4)
    stem = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 10)]
    model = nn.Sequential(*stem, slot, *head)
    host_parameters = list(model.parameters())
    optimizer = torch.optim.SGD(host_parameters, lr=LEARNING_RATE, momentum=0.9)
    follower = follow(optimizer, None, slot)  # the optimizer trains the seeds too
    governor = TolariaGovernor(model, optimizers=[optimizer])
    for epoch in range(1, EPOCHS + 1):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - (epoch - 1) / EPOCHS)
        for batch in torch.randperm(len(train_x)).split(64):
            loss = cross_entropy(model(train_x[batch]), train_y[batch])
            optimizer.zero_grad()
            loss.backward()
            # The gate to BLENDING asks whether the seed learns.
            slot.record_gradients(capture_gradient_health(slot, host_parameters, epoch=epoch))
            if governor.before_step(loss).may_step:
                optimizer.step()
            if governor.after_step().must_stop:
                raise SystemExit(f"stopped: {governor.stop_report}")
        # Score the epoch: the accuracy, and how much of it is lost when the seed is switched off.
        accuracy = measure_accuracy(model)
        slot.record_accuracy(accuracy)
        if slot.alpha > 0:
            with slot.force_alpha(0.0):
                slot.record_contribution(accuracy - measure_accuracy(model))
        if grows and epoch == PLANTING_EPOCH:
            slot.germinate("conv_heavy", blend_tempo_epochs=3)
            follower.update()  # or else the seed learns from the second step on
            governor.expect_shift()
        if (gate := slot.advance_stage()).passed:  # the seed has entered its next stage
            print(f"  epoch {epoch:2}: {accuracy:.1f} %  {slot.stage.name:<11} {gate.message}")
        slot.step_epoch()  # once an epoch: moves the amplitude
    return measure_accuracy(model)


if __name__ == "__main__":
    alone, grown = [], []
    for number in [int(text) for text in sys.argv[1:]] or [0, 1]:
        alone.append(train(number, grows=False))
        grown.append(train(number, grows=True))
        print(f"seed {number}: host alone {alone[-1]:.1f} %, grown {grown[-1]:.1f} %")
    if len(grown) > 1:
        low, high = ttest_rel(grown, alone).confidence_interval()
        host, mean = fmean(alone), fmean(grown)
        print(f"mean: host alone {host:.1f} %, grown {mean:.1f} %")
        print(f"gain {mean - host:+.1f} pp, 95 % interval {low:+.1f} to {high:+.1f}")
