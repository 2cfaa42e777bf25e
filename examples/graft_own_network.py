"""Graft slots into a network of your own by a pattern, grow a seed, and load what has grown without slots.

python examples/graft_own_network.py
"""

import json

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from esper import QualityGates, SlotSpec, describe, follow, graft, rebuild, ungraft

EPOCHS = 10


class SignalNet(nn.Module):
    """Classifies an image of 8x8 pixels as a signal of length 64."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(before, after, 5, stride=2, padding=2), nn.ReLU(inplace=True))
            for before, after in [(1, 8), (8, 16), (16, 16)]
        )
        self.head = nn.Linear(16 * 8, 10)

    def forward(self, signals: Tensor) -> Tensor:
        """Return logits (B, 10) of signals (B, 1, 64)."""
        for layer in self.layers:
            signals = layer(signals)
        return self.head(signals.flatten(1))


def main() -> None:
    """Train, grow a seed after the second layer, and load the grown network from plain files."""
    torch.manual_seed(0)
    pixels, labels = load_digits(return_X_y=True)
    signals, targets = torch.tensor(pixels).float()[:, None] / 16, torch.tensor(labels)
    train_x, val_x, train_y, val_y = signals[:1437], signals[1437:], targets[:1437], targets[1437:]

    model = SignalNet()
    # The model runs once on the example: channels and layout of each slot are those of the output that it finds.
    spec = SlotSpec(gates=QualityGates(permissive=True))
    slots = graft(model, {"layers.*": spec}, example=train_x[:2])
    for path, slot in slots.items():
        print(f"{path}: {slot.topology}, features {slot.layout.dimensions}, C = {slot.channels}")
    slot = slots["layers.1"]
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    follow(optimizer, None, model)  # the optimizer trains the seeds too

    @torch.no_grad()
    def measure_accuracy(network: nn.Module) -> float:
        return 100 * (network(val_x).argmax(dim=1) == val_y).float().mean().item()

    for epoch in range(1, EPOCHS + 1):
        for batch in torch.randperm(len(train_x)).split(64):
            loss = cross_entropy(model(train_x[batch]), train_y[batch])
            optimizer.zero_grad()
            loss.backward()
            slot.check_seed_ran()
            optimizer.step()
        slot.record_accuracy(measure_accuracy(model))
        with slot.force_alpha(0.0):
            slot.record_contribution(measure_accuracy(model))
        if epoch == 2:
            slot.germinate("conv_light", blend_tempo_epochs=2)
        slot.advance_stage()
        slot.step_epoch()

    ungraft(model)
    print(description := json.dumps(describe(model)))
    loaded = rebuild(SignalNet(), json.loads(description))
    loaded.load_state_dict(model.state_dict())
    print(f"grown {measure_accuracy(model):.1f} %, loaded {measure_accuracy(loaded):.1f} %")


if __name__ == "__main__":
    main()
