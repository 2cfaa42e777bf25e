"""Graft slots into `torch.nn.TransformerEncoder`, whose source you cannot edit, and grow a seed in one of them.

python examples/graft_transformer.py
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from esper import QualityGates, SlotSpec, TolariaGovernor, follow, graft, ungraft

EPOCHS = 12


class RowReader(nn.Module):
    """Classifies an image of 8x8 pixels as a sequence of 8 rows."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 32)
        self.position = nn.Parameter(torch.zeros(8, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def forward(self, rows: Tensor) -> Tensor:
        """Return logits (B, 10) of rows (B, 8, 8)."""
        return self.head(self.encoder(self.embed(rows) + self.position).mean(dim=1))


def main() -> None:
    """Train, plant a seed after the first layer, keep it, and remove the slots again."""
    torch.manual_seed(0)
    pixels, labels = load_digits(return_X_y=True)
    rows, targets = torch.tensor(pixels).float().reshape(-1, 8, 8) / 16, torch.tensor(labels)
    train_x, val_x, train_y, val_y = rows[:1437], rows[1437:], targets[:1437], targets[1437:]

    model = RowReader()
    # One slot after each layer. Features are (B, T, C), so the topology is "transformer".
    spec = SlotSpec(channels=32, topology="transformer", gates=QualityGates(permissive=True))
    slots = graft(model, {f"encoder.layers.{index}": spec for index in range(2)})
    slot = slots["encoder.layers.0"]
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    follow(optimizer, None, model)  # the optimizer trains the seeds too
    governor = TolariaGovernor(model, optimizers=[optimizer])

    @torch.no_grad()
    def measure_accuracy() -> float:
        return 100 * (model(val_x).argmax(dim=1) == val_y).float().mean().item()

    for epoch in range(1, EPOCHS + 1):
        for batch in torch.randperm(len(train_x)).split(64):
            loss = cross_entropy(model(train_x[batch]), train_y[batch])
            optimizer.zero_grad()
            loss.backward()
            if governor.before_step(loss).may_step:
                optimizer.step()
            if governor.after_step().must_stop:
                raise SystemExit(f"stopped: {governor.stop_report}")
        accuracy = measure_accuracy()
        with slot.force_alpha(0.0):
            without = measure_accuracy()
        slot.record_accuracy(accuracy)
        slot.record_contribution(accuracy - without)
        if epoch == 2:
            slot.germinate("mlp", blend_tempo_epochs=2)
            governor.expect_shift()
        slot.advance_stage()
        slot.step_epoch()
        print(f"epoch {epoch:2}: {accuracy:.1f} %, without seed {without:.1f} %; {slot.stage.name}")

    ungraft(model)  # empty slots disappear; the fossil stays as an ordinary module
    print(f"after ungraft: {measure_accuracy():.1f} %, {slot.num_seed_params} parameters grown")


if __name__ == "__main__":
    main()
