"""Train and grow a network on data of your own: the 178 wines that scikit-learn ships, 13 measurements each.

python examples/own_task.py
"""

import torch
from sklearn.datasets import load_wine
from torch import Tensor, nn

from esper import (
    HeuristicConfig,
    HeuristicPolicy,
    RunSettings,
    Samples,
    SeedSlot,
    Task,
    load,
    register_task,
    run_task,
)

SIZES = (78, 50, 50)


def load_samples() -> tuple[Samples, ...]:
    """Return samples for training, for decisions and for the test; the split is the same for every seed of a run."""
    table, labels = load_wine(return_X_y=True)
    inputs, targets = torch.tensor(table).float(), torch.tensor(labels)
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))
    parts = order.split(SIZES)
    inputs = (inputs - inputs[parts[0]].mean(dim=0)) / inputs[parts[0]].std(dim=0)
    return tuple(Samples(inputs=inputs[part], targets=targets[part]) for part in parts)


class Host(nn.Module):
    """A small network with one slot. Rows of a table are sequences of length 1: (B, 1, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(13, 4)
        self.slot = SeedSlot("after-stem", channels=4, topology="transformer")
        self.head = nn.Linear(4, 3)

    def forward(self, rows: Tensor) -> Tensor:
        """Return logits (B, 3) of rows (B, 13)."""
        features = torch.relu(self.stem(rows)).unsqueeze(1)
        return self.head(self.slot(features).squeeze(1))


# Registered, so that `load` and `resume_run` find the task by the name in the run's files.
WINE = register_task(
    Task(
        name="wine",
        load_samples=load_samples,
        build_host=Host,
        num_classes=3,
        epochs=30,
        batch_size=16,
        num_threads=1,
    )
)


def main() -> None:
    """Train the task and load the grown network."""
    policy = HeuristicPolicy(HeuristicConfig(blueprint_ids=("mlp_small", "lora", "norm")))
    story = run_task(WINE, RunSettings(seed=1), policy=policy)
    print(f"test: host alone {story.host_test_accuracy:.1f} %, grown {story.test_accuracy:.1f} %")
    for seed in story.slots[0].seeds:
        print(f"seed {seed.blueprint_id}: {seed.stage.name}, {seed.num_params} parameters")
    model = load(story.folder)  # ready for inference
    num_params = sum(parameter.numel() for parameter in model.parameters())
    print(f"the network loaded from {story.folder} has {num_params} parameters")


if __name__ == "__main__":
    main()
