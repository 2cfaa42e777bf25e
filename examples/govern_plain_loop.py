"""Put a governor into a plain PyTorch loop, set a weight to NaN in the middle of training, and finish all the same.

python examples/govern_plain_loop.py
"""

import logging

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from esper import TolariaGovernor

EPOCHS = 8
BROKEN_STEP = 100


def main() -> None:
    """Train a small network on handwritten digits and print its accuracy."""
    # Without a hub, the governor reports skipped steps, rollbacks and the end of a run as warnings.
    logging.basicConfig(format="%(name)s: %(message)s")
    torch.manual_seed(0)
    pixels, labels = load_digits(return_X_y=True)
    inputs, targets = torch.tensor(pixels).float() / 16, torch.tensor(labels)
    train_x, val_x = inputs[:1437], inputs[1437:]
    train_y, val_y = targets[:1437], targets[1437:]

    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    governor = TolariaGovernor(model, optimizers=[optimizer])

    step = 0
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(train_x)).split(64):
            if step == BROKEN_STEP:
                # Stands for a bit flip, a faulty kernel or an exploding update.
                with torch.no_grad():
                    model[0].weight[0, 0] = float("nan")
            loss = cross_entropy(model(train_x[batch]), train_y[batch])
            optimizer.zero_grad()
            loss.backward()
            grad_norm = clip_grad_norm_(model.parameters(), max_norm=5.0)
            verdict = governor.before_step(loss, grad_norm)
            if verdict.may_step:
                optimizer.step()
            if governor.after_step().must_stop:
                raise SystemExit(f"stopped: {governor.stop_report}")
            step += 1

    report = governor.last_rollback
    if report is not None:
        reason = report.reason.name
        print(f"{reason} in step {BROKEN_STEP}: back to the weights of step {report.to_step}")
    with torch.no_grad():
        accuracy = 100 * (model(val_x).argmax(dim=1) == val_y).float().mean().item()
    print(f"validation accuracy after {step} batches: {accuracy:.1f} %")


if __name__ == "__main__":
    main()
