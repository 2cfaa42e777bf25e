"""Tells when a network has stopped getting better by itself."""


class PlateauTracker:
    """Counts the epochs in a row without a new best accuracy that is clearly better."""

    def __init__(self, min_gain: float) -> None:
        """Start with no history; `min_gain` is in percentage points."""
        self._min_gain = min_gain
        self.best_accuracy = float("-inf")
        self.epochs_without_gain = 0

    def record(self, accuracy: float) -> None:
        """Take in the validation accuracy of one epoch, in percent."""
        if accuracy >= self.best_accuracy + self._min_gain:
            self.best_accuracy = accuracy
            self.epochs_without_gain = 0
        else:
            self.epochs_without_gain += 1

    def restart(self) -> None:
        """Wait as many epochs again before the next plateau, keeping the best accuracy."""
        self.epochs_without_gain = 0
