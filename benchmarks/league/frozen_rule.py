"""The governor's default rule as it was at commit 954558c, kept here unchanged in behaviour, for comparison only.

It judges by the median and the spread of the log-loss in a window of 64 losses, and by a drift of the median of 16; the
same limits are used for every task.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from esper._generated.enums import PanicReason, Severity
from esper.tolaria.detection.verdict import Verdict

_WINDOW: Final = 64
_WARM_UP: Final = 16
_SPIKE_DEVIATIONS: Final = 6.0
_SPIKE_RATIO: Final = 1.7
_SPIKE_PATIENCE: Final = 3
_GROSS_RATIO: Final = 4.0
_GROSS_PATIENCE: Final = 2
_EARLY_RATIO: Final = 10.0
_DRIFT_WINDOW: Final = 16
_DRIFT_RATIO: Final = 1.6
_DRIFT_DEVIATIONS: Final = 8.0
_DRIFT_FLOOR_SHARE: Final = 0.05
_DRIFT_PATIENCE: Final = 8
_FLOOR_SHARE: Final = 0.02
_SPREAD_AGE: Final = 8
_ENOUGH: Final = 3


class FrozenRule:
    """A detector for training losses, with the limits of that commit."""

    def __init__(self) -> None:
        """Start without a history."""
        self._healthy: deque[float] = deque(maxlen=_WINDOW)
        self._recent: deque[float] = deque(maxlen=_DRIFT_WINDOW)
        self._scale: float | None = None
        self._best: float | None = None
        self._best_deviation = 0.0
        self._usual: float | None = None
        self._deviation = 0.0
        self._spread_age = 0
        self._runs = [0, 0, 0, 0]  # panics, spikes, gross spikes, drifts, each in a row

    def check(self, loss: float) -> Verdict:
        """Judge the next loss."""
        if not math.isfinite(loss):
            return self._panic(PanicReason.NAN, True, loss)
        self._recent.append(loss)
        if len(self._healthy) < _WARM_UP:
            return self._check_early(loss)
        median = _upper_median(self._healthy)
        margin = self._margin(median, _FLOOR_SHARE)
        unit = 0.2 * margin + 1e-12
        usual = math.asinh(median / unit)
        deviation = self._spread(median, unit)
        exponent = usual + _SPIKE_DEVIATIONS * deviation
        limit = math.sinh(exponent) * unit if exponent < 700.0 else math.inf
        threshold = max(median + (_SPIKE_RATIO - 1.0) * margin, limit)
        if loss > min(threshold, sys.float_info.max):
            is_gross = loss > median + (_GROSS_RATIO - 1.0) * margin
            return self._panic(PanicReason.DIVERGENCE, self._count_spike(is_gross), loss)
        self._runs[1] = self._runs[2] = 0
        if self._is_drifting(deviation):
            self._runs[3] += 1
            return self._panic(PanicReason.DRIFT, self._runs[3] >= _DRIFT_PATIENCE, loss)
        return self._accept(loss)

    def expect_shift(self) -> None:
        """Learn the losses again; until then only those far above the old ones count."""
        if self._healthy:
            self._usual = _upper_median(self._healthy)
        self._healthy.clear()
        self._recent.clear()
        self._best = None
        self._spread_age = 0
        self._runs = [0, 0, 0, 0]

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Restore the statistics of the weights; without `state`, start as after a shift."""
        if state is None:
            self.expect_shift()
        else:
            self.load_state_dict(state)
            self._runs = [0, 0, 0, 0]

    def state_dict(self) -> dict[str, Any]:
        """Return all memory in plain types."""
        return {
            "healthy": list(self._healthy),
            "recent": list(self._recent),
            "scale": self._scale,
            "best": self._best,
            "best_deviation": self._best_deviation,
            "usual": self._usual,
            "deviation": self._deviation,
            "spread_age": self._spread_age,
            "runs": list(self._runs),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._healthy = deque(state["healthy"], maxlen=_WINDOW)
        self._recent = deque(state["recent"], maxlen=_DRIFT_WINDOW)
        self._scale = state["scale"]
        self._best = state["best"]
        self._best_deviation = state["best_deviation"]
        self._usual = state["usual"]
        self._deviation = state["deviation"]
        self._spread_age = state["spread_age"]
        self._runs = list(state["runs"])

    def _check_early(self, loss: float) -> Verdict:
        if self._usual is not None and len(self._healthy) < _ENOUGH:
            level = self._usual
        elif self._healthy:
            level = _upper_median(self._healthy)
        else:
            return self._accept(loss)
        threshold = level + (_EARLY_RATIO - 1.0) * self._margin(level, _FLOOR_SHARE)
        if loss > min(threshold, sys.float_info.max):
            return self._panic(PanicReason.DIVERGENCE, self._count_spike(True), loss)
        return self._accept(loss)

    def _count_spike(self, is_gross: bool) -> bool:
        self._runs[1] += 1
        self._runs[2] = self._runs[2] + 1 if is_gross else 0
        return self._runs[1] >= _SPIKE_PATIENCE or self._runs[2] >= _GROSS_PATIENCE

    def _spread(self, median: float, unit: float) -> float:
        if self._spread_age == 0:
            middle = math.asinh(median / unit)
            distances = [abs(math.asinh(loss / unit) - middle) for loss in self._healthy]
            self._deviation = 1.4826 * _upper_median(distances)
            self._spread_age = _SPREAD_AGE
        self._spread_age -= 1
        return self._deviation

    def _margin(self, level: float, floor_share: float) -> float:
        return abs(level) + floor_share * (self._scale or 0.0)

    def _is_drifting(self, deviation: float) -> bool:
        if len(self._recent) < _DRIFT_WINDOW:
            return False
        median = _upper_median(self._recent)
        if self._best is None or median < self._best:
            self._best, self._best_deviation = median, deviation
            return False
        margin = self._margin(self._best, _DRIFT_FLOOR_SHARE)
        if median <= self._best + (_DRIFT_RATIO - 1.0) * margin:
            return False
        unit = 0.2 * margin + 1e-12
        rise = math.asinh(median / unit) - math.asinh(self._best / unit)
        error = 1.2533 * self._best_deviation / math.sqrt(_DRIFT_WINDOW)
        return rise > _DRIFT_DEVIATIONS * error

    def _accept(self, loss: float) -> Verdict:
        self._healthy.append(loss)
        if self._scale is None and len(self._healthy) == _WARM_UP:
            self._scale = abs(_upper_median(self._healthy))
        if self._runs[0]:
            self._runs = [0, 0, 0, 0]
        return Verdict(severity=Severity.OK, loss=loss)

    def _panic(self, reason: PanicReason, is_due: bool, loss: float) -> Verdict:
        self._runs[0] += 1
        return Verdict(
            severity=Severity.ROLLBACK if is_due else Severity.PANIC,
            reason=reason,
            loss=loss,
            consecutive_panics=self._runs[0],
        )


def _upper_median(values: Sequence[float] | deque[float]) -> float:
    return sorted(values)[len(values) // 2]
