"""Make a loop of your own a run: metrics at each step, epochs, an end with its reason, and a summary.

python examples/log_own_loop.py    then: esper summary latest
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import esper

CONFIG = {"epochs": 6, "batch_size": 64, "lr": 0.1, "seed": 0}


def evaluate(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and the accuracy in percent, 0-dim tensors, on inputs (N, 64) and targets (N,)."""
    with torch.no_grad():
        logits = model(inputs)
    accuracy = 100 * (logits.argmax(dim=1) == targets).float().mean()
    return cross_entropy(logits, targets), accuracy


def main() -> None:
    """Train a small network on handwritten digits, and print what the log says about it."""
    torch.manual_seed(CONFIG["seed"])
    pixels, labels = load_digits(return_X_y=True)
    inputs, targets = torch.tensor(pixels).float() / 16, torch.tensor(labels)
    train_x, val_x = inputs[:1437], inputs[1437:]
    train_y, val_y = targets[:1437], targets[1437:]

    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=CONFIG["lr"], momentum=0.9)

    # Without a name, each start gets a new folder in runs/. If an exception leaves the block, the log says why.
    with esper.start_run(
        config=CONFIG, seed=CONFIG["seed"], epochs=CONFIG["epochs"], model=model
    ) as run:
        governor = esper.TolariaGovernor(model, optimizers=[optimizer], channel=run.channel)
        train(model, optimizer, governor, run, (train_x, train_y), (val_x, val_y))

    story = esper.read_story(run.folder)
    metrics = story.metrics
    print(f"{story.outcome.name}: {story.epochs_completed} epochs, {story.grown_accuracy:.1f} %")
    print(f"step {metrics.last_step}: {', '.join(metrics.newest)}")
    print(f"{metrics.num_logged} calls of run.log are in the log, {metrics.num_left_out} left out")


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    governor: esper.TolariaGovernor,
    run: esper.Run,
    training: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
) -> None:
    """Train for the epochs of the config; return early if the governor ends the run."""
    inputs, targets = training
    step = 0
    for epoch in range(1, CONFIG["epochs"] + 1):
        for batch in torch.randperm(len(inputs)).split(CONFIG["batch_size"]):
            loss = cross_entropy(model(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            if governor.before_step(loss).may_step:
                optimizer.step()
            if governor.after_step().must_stop:
                return
            run.log(step=step, loss=loss, lr=optimizer.param_groups[0]["lr"])
            step += 1
        val_loss, accuracy = evaluate(model, *validation)
        run.epoch(epoch, train_loss=loss, val_loss=val_loss, val_accuracy=accuracy)


if __name__ == "__main__":
    main()
