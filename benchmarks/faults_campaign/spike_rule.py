"""The rule of Lightning's `SpikeDetection` (2.6), reimplemented."""

import math
from collections import deque


class SpikeRule:
    """Judges the losses of batches with that callback's default settings.

    A loss is a spike when it is not finite, or when it is above the last one and differs from the mean of the last ten by
    at least twice that mean. The first batch of an epoch is never judged.
    """

    WINDOW = 10
    RTOL = 2.0
    WARM_UP = 1

    def __init__(self) -> None:
        """Start without a history."""
        self._losses: deque[float] = deque(maxlen=self.WINDOW)
        self._last = 0.0

    def is_spike(self, loss: float, batch_index: int) -> bool:
        """Return whether `loss` is a spike; if not, it becomes part of the mean."""
        if batch_index >= self.WARM_UP and self._deviates(loss):
            return True
        self._last = loss
        if math.isfinite(loss):
            self._losses.append(loss)
        return False

    def _deviates(self, loss: float) -> bool:
        if not math.isfinite(loss):
            return True
        mean = sum(self._losses) / len(self._losses) if self._losses else math.nan
        return not loss <= self._last and abs(loss - mean) >= self.RTOL * abs(mean)
