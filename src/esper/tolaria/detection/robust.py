"""The governor's own detector: median and spread of the log-loss, on two time scales.

A mean and a standard deviation are ruined by the very losses they should flag, and an absolute limit is blind on every
task whose losses are smaller. Medians are not, and ratios need no unit. Two rules watch for what happens at
once and for what creeps in:

- a *spike*: a loss far above the median of recent healthy ones, by a ratio and by the series' own spread;
- a *drift*: the median of the newest few losses well above the best such median so far.

A third one knows the loss of random guessing. None decides on a single finite loss, because one bad batch is no
damage. Losses may be of any sign and scale.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from esper._generated.enums import PanicReason, Severity
from esper.tolaria.detection.sorted_window import SortedWindow
from esper.tolaria.detection.verdict import Verdict

_MAD_TO_SIGMA: Final = 1.4826
"""Standard deviations in a median absolute deviation, for a normal distribution."""
_MEDIAN_ERROR: Final = 1.2533
"""Standard error of a median over that of a mean, for a normal distribution."""
_MAX_SINH: Final = 700.0
"""About where sinh leaves the range of floats."""
_SPREAD_AGE: Final = 8
"""Losses judged by one estimate of the spread: it changes slowly, and is the dearest part of a check."""
_ENOUGH: Final = 3
"""Losses whose median says more than what was before a shift."""
_TINY: Final = 1e-12
"""Keeps the logarithm defined for a series of zeros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustConfig:
    """Limits of the robust detector.

    Ratios and patiences follow a comparison of rules on seeded synthetic curves (2.3 falling to 0.5, log-normal noise
    of 0.12): no false alarm in 10,000 steps, a doubled loss found in 16, a tenfold one in 2. The others were set
    on the digits task, where training losses fall to a thousandth of where they began.
    """

    random_guess_loss: float | None = None
    """Loss of a network that guesses, ln(classes); None leaves collapse untested, and the scale of the task is
    taken from where the losses began."""
    window: int = 64
    """Healthy losses that a new one is compared with."""
    warm_up: int = 16
    """Losses needed before the spread is trusted; until then only `gross_warm_up` is watched for."""

    spike_deviations: float = 6.0
    """Standard deviations, estimated from the median deviation, that a spike exceeds."""
    spike_ratio: float = 1.7
    """Multiple of the median that it exceeds as well."""
    spike_patience: int = 3
    """Spikes in a row that it takes."""
    gross_ratio: float = 4.0
    """Multiple of the median from which on `gross_patience` is enough."""
    gross_patience: int = 2
    """Gross spikes in a row that it takes."""
    gross_warm_up: float = 10.0
    """Multiple of what was known before a shift that a loss exceeds to be a spike while there are hardly new ones."""
    early_ratio: float = 10.0
    """Multiple of the median of the few new ones that it exceeds before the spread is trusted."""

    drift_window: int = 16
    """Losses whose median is followed."""
    drift_ratio: float | None = 1.6
    """Multiple of the best such median that a drift exceeds; None does not watch for drifts."""
    drift_deviations: float = 8.0
    """Standard errors of the median that it exceeds as well, for series noisier than that ratio. The noise is that of
    when the losses were best: a drift widens the spread of what it drifts through, and would hide itself."""
    drift_floor_share: float = 0.05
    """As `floor_share`, for drifts: larger, because ordinary training wanders more slowly than it jumps."""
    drift_patience: int = 8
    """Such losses in a row that it takes."""

    collapse_share: float = 0.6
    """Share of the random-guess loss below which a network counts as having learnt; the sigma rule's."""
    collapse_tolerance: float = 0.065
    """Share of it within which a loss counts as equal to it; the sigma rule's."""
    collapse_deviations: float = 4.0
    """Standard deviations above the median that it lies as well: in a noisy series it may well do so by chance."""
    collapse_patience: int = 2
    """Such losses in a row that it takes: one batch may look so by chance."""

    floor_share: float = 0.02
    """Share of the task's scale, the random-guess loss, below which losses count as alike: nothing is damaged there,
    and a network that has all but learnt its data by heart jumps about by factors."""


EPOCH_LIMITS: Final = RobustConfig(
    window=12, warm_up=6, spike_deviations=4.0, early_ratio=2.5, drift_ratio=None
)
"""For validation losses, one an epoch: few, smooth, and free to rise slowly, which is overfitting and no damage. The window
must not reach back to the first steep epochs, whose spread would hide what comes after."""


class RobustDetector:
    """Panics when a loss is not finite, equals random guessing, spikes, or has drifted away from the best.

    Only healthy losses become history, so that a fault cannot make itself the norm.
    """

    def __init__(self, config: RobustConfig = RobustConfig()) -> None:
        """Start without a history."""
        self._config = config
        self._scale = config.random_guess_loss
        self._healthy = SortedWindow(config.window)
        self._recent = SortedWindow(config.drift_window)
        self._best: float | None = None
        self._best_deviation = 0.0
        self._usual: float | None = None
        self._deviation = 0.0
        self._spread_age = 0
        self._panics = 0
        self._spikes = self._gross_spikes = self._drifts = self._collapses = 0

    def check(self, loss: float) -> Verdict:
        """Return what is to be made of the next loss."""
        if not math.isfinite(loss):
            return self._panic(PanicReason.NAN, True, loss, None, None)
        config = self._config
        self._recent.push(loss)
        if len(self._healthy) < config.warm_up:
            return self._check_early(loss)

        median = self._healthy.median()
        margin = self._margin(median, config.floor_share)
        # Logarithmic above a tenth of the median, linear below it: noise around zero is no news.
        unit = 0.2 * margin + _TINY
        usual, now = math.asinh(median / unit), math.asinh(loss / unit)
        deviation = self._spread(unit)
        statistic = (now - usual) / deviation if deviation > 0.0 else None
        limit = _sinh(usual + config.spike_deviations * deviation) * unit
        threshold = _finite(max(median + (config.spike_ratio - 1.0) * margin, limit))

        is_unusual = now > usual + config.collapse_deviations * deviation
        if is_unusual and self._has_collapsed(loss, median):
            self._collapses += 1
            is_due = self._collapses >= config.collapse_patience
            return self._panic(PanicReason.LOBOTOMY, is_due, loss, threshold, statistic)
        self._collapses = 0
        if loss > threshold:
            is_due = self._count_spike(loss > median + (config.gross_ratio - 1.0) * margin)
            return self._panic(PanicReason.DIVERGENCE, is_due, loss, threshold, statistic)
        self._spikes = self._gross_spikes = 0
        if self._is_drifting(deviation):
            self._drifts += 1
            is_due = self._drifts >= config.drift_patience
            return self._panic(PanicReason.DRIFT, is_due, loss, threshold, statistic)
        return self._accept(loss, threshold, statistic)

    def expect_shift(self) -> None:
        """Learn the losses anew; until then only what is gross against the old ones counts."""
        if len(self._healthy):
            self._usual = self._healthy.median()
        self._healthy.clear()
        self._recent.clear()
        self._best = None
        self._spread_age = 0
        self._reset_runs()

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Put the statistics back to where the weights are; without `state`, start as after a shift."""
        if state is None:
            self.expect_shift()
        else:
            self.load_state_dict(state)
            self._reset_runs()

    def state_dict(self) -> dict[str, Any]:
        """Return both windows, what is remembered of earlier losses, and the runs of anomalies."""
        return {
            "healthy": self._healthy.values(),
            "recent": self._recent.values(),
            "scale": self._scale,
            "best": self._best,
            "best_deviation": self._best_deviation,
            "usual": self._usual,
            "deviation": self._deviation,
            "spread_age": self._spread_age,
            "runs": [self._panics, self._spikes, self._gross_spikes, self._drifts, self._collapses],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._healthy = SortedWindow(self._config.window, state["healthy"])
        self._recent = SortedWindow(self._config.drift_window, state["recent"])
        self._scale = state["scale"]
        self._best = state["best"]
        self._best_deviation = state["best_deviation"]
        self._usual = state["usual"]
        self._deviation = state["deviation"]
        self._spread_age = state["spread_age"]
        self._panics, self._spikes, self._gross_spikes, self._drifts, self._collapses = state[
            "runs"
        ]

    def _check_early(self, loss: float) -> Verdict:
        """Judge a loss by the little that is known: the losses before a shift, or random guessing, and those so far.

        A planned shift does not make a network forget: one that had learnt and guesses again has collapsed.
        """
        threshold = self._early_threshold()
        if threshold is None:
            return self._accept(loss, None, None)
        if self._usual is not None and self._has_collapsed(loss, self._usual):
            self._collapses += 1
            is_due = self._collapses >= self._config.collapse_patience
            return self._panic(PanicReason.LOBOTOMY, is_due, loss, threshold, None)
        self._collapses = 0
        if loss > threshold:
            is_due = self._count_spike(True)
            return self._panic(PanicReason.DIVERGENCE, is_due, loss, threshold, None)
        return self._accept(loss, threshold, None)

    def _early_threshold(self) -> float | None:
        """Return what a loss must not exceed while there are few; None when nothing at all is known."""
        config = self._config
        old = config.random_guess_loss if self._usual is None else self._usual
        if old is not None and len(self._healthy) < _ENOUGH:
            # Of the first losses behind a shift the level must not be learnt: a fault may have come with it.
            level, ratio = old, config.gross_warm_up
        elif len(self._healthy):
            level, ratio = self._healthy.median(), config.early_ratio
        else:
            return None
        return _finite(level + (ratio - 1.0) * self._margin(level, config.floor_share))

    def _count_spike(self, is_gross: bool) -> bool:
        """Return whether there have been enough spikes in a row."""
        self._spikes += 1
        self._gross_spikes = self._gross_spikes + 1 if is_gross else 0
        return (
            self._spikes >= self._config.spike_patience
            or self._gross_spikes >= self._config.gross_patience
        )

    def _has_collapsed(self, loss: float, median: float) -> bool:
        guess = self._config.random_guess_loss
        return (
            guess is not None
            and median < self._config.collapse_share * guess
            and abs(loss - guess) < self._config.collapse_tolerance * guess
        )

    def _spread(self, unit: float) -> float:
        """Return the standard deviation of the log-losses, not older than a few losses."""
        if self._spread_age == 0:
            log_deviation = self._healthy.median_deviation(lambda x: math.asinh(x / unit))
            self._deviation = _MAD_TO_SIGMA * log_deviation
            self._spread_age = _SPREAD_AGE
        self._spread_age -= 1
        return self._deviation

    def _margin(self, level: float, floor_share: float) -> float:
        """Return the size of `level`, for ratios; not less than what the task's scale calls nothing."""
        return abs(level) + floor_share * (self._scale or 0.0)

    def _is_drifting(self, deviation: float) -> bool:
        """Return whether the newest losses are worse than the best ones were, beyond their noise."""
        ratio = self._config.drift_ratio
        if ratio is None or not self._recent.is_full:
            return False
        median = self._recent.median()
        if self._best is None or median < self._best:
            self._best, self._best_deviation = median, deviation
            return False
        margin = self._margin(self._best, self._config.drift_floor_share)
        if median <= self._best + (ratio - 1.0) * margin:
            return False
        unit = 0.2 * margin + _TINY
        rise = math.asinh(median / unit) - math.asinh(self._best / unit)
        error = _MEDIAN_ERROR * self._best_deviation / math.sqrt(self._config.drift_window)
        return rise > self._config.drift_deviations * error

    def _accept(self, loss: float, threshold: float | None, statistic: float | None) -> Verdict:
        self._healthy.push(loss)
        if self._scale is None and len(self._healthy) == self._config.warm_up:
            self._scale = abs(self._healthy.median())
        if self._panics:
            self._reset_runs()
        return Verdict(
            severity=Severity.OK, loss=loss, loss_threshold=threshold, statistic=statistic
        )

    def _panic(
        self,
        reason: PanicReason,
        is_due: bool,
        loss: float,
        threshold: float | None,
        statistic: float | None,
    ) -> Verdict:
        self._panics += 1
        return Verdict(
            severity=Severity.ROLLBACK if is_due else Severity.PANIC,
            reason=reason,
            loss=loss,
            loss_threshold=threshold,
            consecutive_panics=self._panics,
            statistic=statistic,
        )

    def _reset_runs(self) -> None:
        self._panics = 0
        self._spikes = self._gross_spikes = self._drifts = self._collapses = 0


def _sinh(x: float) -> float:
    """Return sinh, or infinity where it overflows."""
    return math.sinh(x) if x < _MAX_SINH else math.inf


def _finite(x: float) -> float:
    """Return `x`, or the largest number if it is larger."""
    return min(x, sys.float_info.max)
