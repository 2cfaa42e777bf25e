"""Judges from the losses of a run whether the network still earns enough as it is."""

from collections.abc import Mapping
from typing import Any, final


@final
class LearningCurve:
    """The decision losses since the run, or a change of the network, began.

    The network has settled when its gain per epoch, over the last epochs, is below a share of its mean gain per epoch since
    the beginning. That compares two rates of the same curve, so it needs no threshold in nats or percentage points, and
    serves tasks of any loss. The marginal value theorem (Charnov, 1976) gives the rule: an activity is left when its
    gain falls below what another one is expected to bring, here that share.

    Attributes:
        losses: the decision losses, in nats; the first one is of the beginning, before the first epoch.
    """

    def __init__(self, *, window: int, share: float) -> None:
        """Compare the gain of the last `window` epochs with `share` times the mean gain."""
        self._window = window
        self._share = share
        self.losses: list[float] = []

    def begin(self, loss: float | None) -> None:
        """Begin again; `loss` is the loss before the next epoch, or None if it is not known."""
        self.losses = [] if loss is None else [loss]

    def record(self, loss: float) -> None:
        """Record the decision loss of one epoch."""
        self.losses.append(loss)

    @property
    def has_settled(self) -> bool:
        """Whether the gain per epoch has fallen below the share; False until there are more epochs than the window."""
        num_epochs = len(self.losses) - 1
        if num_epochs <= self._window:
            return False
        # The best losses so far, because single losses go up and down.
        best, best_before = min(self.losses), min(self.losses[: -self._window])
        mean_gain = (self.losses[0] - best) / num_epochs
        return (best_before - best) / self._window <= self._share * mean_gain

    def state_dict(self) -> dict[str, Any]:
        """Return the losses, in plain values."""
        return {"losses": self.losses}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`; other entries are ignored.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        self.losses = list(state["losses"])
