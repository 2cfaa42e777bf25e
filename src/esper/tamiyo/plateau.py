"""Detects when a network has stopped improving."""

from collections.abc import Mapping
from typing import Any


class PlateauTracker:
    """Counts the epochs in a row in which accuracy did not clearly exceed the best one so far.

    Attributes:
        best_accuracy: in percent; minus infinity before the first epoch.
        epochs_without_gain: epochs since it was reached, or since `restart`.
    """

    def __init__(self, min_gain: float) -> None:
        """Start without a history; an accuracy is a gain from `min_gain` percentage points above the best one."""
        self._min_gain = min_gain
        self.best_accuracy = float("-inf")
        self.epochs_without_gain = 0

    def record(self, accuracy: float) -> None:
        """Record the validation accuracy of one epoch, in percent."""
        if accuracy >= self.best_accuracy + self._min_gain:
            self.best_accuracy = accuracy
            self.epochs_without_gain = 0
        else:
            self.epochs_without_gain += 1

    def restart(self) -> None:
        """Count from zero again, keeping the best accuracy."""
        self.epochs_without_gain = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the history in plain values."""
        return {
            "best_accuracy": self.best_accuracy,
            "epochs_without_gain": self.epochs_without_gain,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`; other entries are ignored.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        self.best_accuracy = state["best_accuracy"]
        self.epochs_without_gain = state["epochs_without_gain"]
