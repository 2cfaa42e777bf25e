"""Give the governor a detector of your own, for a loss whose highest sound value you know: that of a hinge loss.

python examples/own_detector.py
"""

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.nn.functional import relu

from esper import PanicReason, Severity, TolariaGovernor, Verdict

BROKEN_STEP = 120


class CeilingDetector:
    """Asks for a rollback after two losses in a row that are above `ceiling` or not finite."""

    def __init__(self, ceiling: float) -> None:
        self._ceiling = ceiling
        self._num_above = 0

    def check(self, loss: float) -> Verdict:
        """Judge the next loss of the series."""
        if loss <= self._ceiling:  # False for NaN
            self._num_above = 0
            return Verdict(severity=Severity.OK, loss=loss, loss_threshold=self._ceiling)
        self._num_above += 1
        return Verdict(
            severity=Severity.ROLLBACK if self._num_above >= 2 else Severity.PANIC,
            reason=PanicReason.DIVERGENCE if loss == loss else PanicReason.NAN,
            loss=loss,
            loss_threshold=self._ceiling,
            consecutive_panics=self._num_above,
        )

    def expect_shift(self) -> None:
        """Do nothing: the ceiling holds for every phase of the training."""

    def rewind(self, state: dict[str, int] | None) -> None:
        """Start counting again after a rollback."""
        self._num_above = 0

    def state_dict(self) -> dict[str, int]:
        """Return the count, for checkpoints and snapshots."""
        return {"num_above": self._num_above}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore the count."""
        self._num_above = state["num_above"]


def main() -> None:
    """Train a classifier with a hinge loss and corrupt its weights in the middle."""
    torch.manual_seed(0)
    table, labels = load_breast_cancer(return_X_y=True)
    inputs, signs = torch.tensor(table).float(), torch.tensor(labels) * 2.0 - 1.0
    inputs = (inputs - inputs.mean(dim=0)) / inputs.std(dim=0)
    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    detector = CeilingDetector(4.0)
    governor = TolariaGovernor(model, optimizers=[optimizer], step_detector=detector)
    for step in range(1, 201):
        if step == BROKEN_STEP:
            with torch.no_grad():
                model[2].weight.mul_(-100)
        batch = torch.randint(len(inputs), (64,))
        loss = relu(1 - signs[batch] * model(inputs[batch]).squeeze(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        if governor.before_step(loss).may_step:
            optimizer.step()
        if governor.after_step().must_stop:
            raise SystemExit(f"stopped: {governor.stop_report}")
    accuracy = 100 * (model(inputs).squeeze(1) * signs > 0).float().mean().item()
    print(f"rolled back to step {governor.last_rollback.to_step}; final accuracy {accuracy:.1f} %")


if __name__ == "__main__":
    main()
