"""Register a blueprint of your own and plant it: squeeze-and-excitation, which weighs channels by their means.

python examples/own_blueprint.py
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from esper import SeedSlot, TolariaGovernor, register_blueprint

EPOCHS = 6


class SqueezeExcitation(nn.Module):
    """x (1 + tanh(W2 relu(W1 mean(x)))), after Hu et al., Squeeze-and-Excitation Networks, 2018."""

    def __init__(self, channels: int) -> None:
        """Build the seed; its last layer starts at zero, so that it starts as the identity and can learn at once."""
        super().__init__()
        self.squeeze = nn.Linear(channels, max(1, channels // 2))
        self.excite = nn.Linear(max(1, channels // 2), channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, C, H, W) of features (B, C, H, W); a seed must keep the shape."""
        weights = torch.tanh(self.excite(torch.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * (1 + weights[:, :, None, None])


# Names are global to the process. Register before a saved network that uses the blueprint is loaded.
register_blueprint("cnn", "squeeze_excitation", SqueezeExcitation)


def main() -> None:
    """Train a small network on handwritten digits with the blueprint in its slot."""
    torch.manual_seed(0)
    pixels, labels = load_digits(return_X_y=True)
    images, targets = torch.tensor(pixels).float().reshape(-1, 1, 8, 8) / 16, torch.tensor(labels)

    slot = SeedSlot("after-stem", channels=8)
    stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
    model = nn.Sequential(stem, slot, nn.Flatten(), nn.Linear(8 * 8 * 8, 10))
    slot.germinate("squeeze_excitation")
    before = model(images[:5])
    slot.advance_stage()
    assert torch.equal(before, model(images[:5])), "in TRAINING a seed does not change the output"

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # the seed's parameters included
    governor = TolariaGovernor(model, optimizers=[optimizer])
    for epoch in range(1, EPOCHS + 1):
        for batch in torch.randperm(len(images)).split(64):
            loss = cross_entropy(model(images[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            if governor.before_step(loss).may_step:
                optimizer.step()
            if governor.after_step().must_stop:
                raise SystemExit(f"stopped: {governor.stop_report}")
        slot.step_epoch()
        print(f"epoch {epoch}: loss {loss.item():.3f}")
    norm = slot.seed.excite.weight.norm().item()
    print(f"{slot.seed_id} has {slot.num_seed_params} parameters and has learned:")
    print(f"the norm of its last weight, 0 at first, is {norm:.2f}")


if __name__ == "__main__":
    main()
