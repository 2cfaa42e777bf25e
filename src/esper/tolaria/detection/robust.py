"""The governor's default detector, which decides which losses are anomalous: median and spread of the log-loss.

A mean and a standard deviation are distorted by the very losses that they should flag, and an absolute limit is blind on
every task with smaller losses. Medians are robust, and ratios need no unit. Two rules look for sudden and for gradual
damage:

- a *spike*: a loss far above the median of recent healthy losses, by a ratio and by the spread of the series;
- a *drift*: the median of the newest few losses is well above the best such median so far.

A third rule looks for a *collapse*, a loss near that of random guessing. No rule asks for a rollback after a single
finite loss, because one bad batch does no damage. Losses may be of any sign and scale.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field, fields
from typing import Any, Final

from esper._generated.enums import PanicReason, Severity
from esper.leyline.arguments import instance_of, real_number, whole_number
from esper.tolaria.detection.sorted_window import SortedWindow
from esper.tolaria.detection.verdict import Verdict

_MAD_TO_SIGMA: Final = 1.4826
"""Standard deviations in a median absolute deviation, for a normal distribution."""
_MEDIAN_ERROR: Final = 1.2533
"""Standard error of a median over that of a mean, for a normal distribution."""
_MAX_SINH: Final = 700.0
"""About where sinh leaves the range of floats."""
_SPREAD_AGE: Final = 8
"""Losses judged with one estimate of the spread: it changes slowly and is the most expensive part of a check."""
_ENOUGH: Final = 3
"""Losses after a shift whose median is a better reference than the losses before the shift."""
_TINY: Final = 1e-12
"""Keeps the logarithm defined for a series of zeros."""


_LEAST_COUNTS: Final = {
    "window": 1,
    "warm_up": 1,
    "spike_patience": 1,
    "gross_patience": 1,
    "drift_window": 1,
    "drift_patience": 1,
    "collapse_patience": 1,
}
_LEAST_NUMBERS: Final = {
    "random_guess_loss": 0.0,
    "spike_deviations": 0.0,
    "spike_ratio": 1.0,
    "gross_ratio": 1.0,
    "gross_warm_up": 1.0,
    "early_ratio": 1.0,
    "drift_ratio": 1.0,
    "drift_deviations": 0.0,
    "drift_floor_share": 0.0,
    "collapse_share": 0.0,
    "collapse_tolerance": 0.0,
    "collapse_deviations": 0.0,
    "floor_share": 0.0,
}
_MAY_BE_NONE: Final = ("random_guess_loss", "drift_ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustConfig:
    """Limits of the robust detector: which losses it calls anomalous, and how many in a row lead to a rollback.

    Ratios and patiences follow a comparison of rules on seeded synthetic curves (2.3 falling to 0.5, log-normal noise
    of 0.12): no false alarm in 10,000 steps, a doubled loss detected after 16 steps, a tenfold one after 2. The others
    were set on the digits task, where training losses fall to a thousandth of their initial value.
    """

    random_guess_loss: float | None = None
    """Loss of random guessing, ln(number of classes); None turns the test for collapse off, and the scale of the
    task is the median of its first losses."""
    window: int = 64
    """Number of healthy losses that a new one is compared with."""
    warm_up: int = 16
    """Losses needed before the spread is used; until then only `gross_warm_up` and `early_ratio` apply."""

    spike_deviations: float = 6.0
    """Standard deviations above the median, estimated from the median deviation, that a spike exceeds."""
    spike_ratio: float = 1.7
    """Multiple of the median that a spike exceeds as well."""
    spike_patience: int = 3
    """Spikes in a row that lead to a rollback."""
    gross_ratio: float = 4.0
    """Multiple of the median above which a spike is gross."""
    gross_patience: int = 2
    """Gross spikes in a row that lead to a rollback."""
    gross_warm_up: float = 10.0
    """Multiple that a spike among the first few losses exceeds: of the median before a shift, or of the random-guess loss
    at the start."""
    early_ratio: float = 10.0
    """Multiple of the median so far that a spike exceeds in the rest of the warm-up."""

    drift_window: int = 16
    """Number of newest losses whose median is tracked."""
    drift_ratio: float | None = 1.6
    """Multiple of the best such median that a drift exceeds; None turns the test for drifts off."""
    drift_deviations: float = 8.0
    """Standard errors of the median that a drift exceeds as well, for noisy series in which `drift_ratio` is exceeded by
    chance. They are estimated where the losses were best: a drift widens the present spread and would hide itself."""
    drift_floor_share: float = 0.05
    """Same as `floor_share`, for drifts: larger, because slow changes in healthy training are larger than sudden ones."""
    drift_patience: int = 8
    """Drifting losses in a row that lead to a rollback."""

    collapse_share: float = 0.6
    """Share of the random-guess loss that the median must fall below for the network to count as trained; as in
    `SigmaDetector`."""
    collapse_tolerance: float = 0.065
    """Largest distance from the random-guess loss, as a share of it, at which a loss counts as equal to it; as in
    `SigmaDetector`."""
    collapse_deviations: float = 4.0
    """Standard deviations above the median that a collapse exceeds as well: a noisy series may reach the random-guess
    loss by chance."""
    collapse_patience: int = 2
    """Collapsed losses in a row that lead to a rollback: one batch may look collapsed by chance."""

    floor_share: float = 0.02
    """Share of the task's scale (the random-guess loss if it is known) that is added to every level before ratios are
    taken: the losses of a network that has memorised its data vary by factors without any damage."""

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ValueError: one is of another type or out of its range.
        """
        for name, least in _LEAST_COUNTS.items():
            whole_number(name, getattr(self, name), minimum=least)
        for name, minimum in _LEAST_NUMBERS.items():
            value = getattr(self, name)
            if value is not None or name not in _MAY_BE_NONE:
                real_number(name, value, minimum=minimum)
        if self.warm_up > self.window:
            raise ValueError(
                f"warm_up must not exceed window, {self.window}, because no more losses are remembered,"
                f" got {self.warm_up}"
            )


EPOCH_LIMITS: Final = RobustConfig(
    window=12, warm_up=6, spike_deviations=4.0, early_ratio=2.5, drift_ratio=None
)
"""Limits for validation losses, one per epoch: few, smooth, and allowed to rise slowly, which is overfitting and not
damage. The window is short so that it excludes the steep first epochs, whose spread would hide later anomalies."""


@dataclass(slots=True)
class _Runs:
    """Counts of anomalies in a row; the state dict lists them in this order."""

    panics: int = 0
    """Anomalies of any kind."""
    spikes: int = 0
    gross_spikes: int = 0
    drifts: int = 0
    collapses: int = 0


@dataclass(slots=True)
class _Memory:
    """All that the detector remembers beside its two windows; the field names are keys of its state dict."""

    scale: float | None
    """Size of a typical loss of the untrained network, for the floors; None until it is known."""
    best: float | None = None
    """Lowest median of the newest losses since the last shift; None before the first."""
    best_deviation: float = 0.0
    """Standard deviation of the log-losses at that time."""
    usual: float | None = None
    """Median of the healthy losses before the last shift; None before the first shift."""
    deviation: float = 0.0
    """Last estimate of the standard deviation of the log-losses."""
    spread_age: int = 0
    """Losses for which that estimate is still used."""
    runs: _Runs = field(default_factory=_Runs)


class RobustDetector:
    """Panics when a loss is not finite, equals that of random guessing, spikes, or has drifted away from the best.

    Only healthy losses become history, so that a lasting fault cannot become the reference.
    """

    def __init__(self, config: RobustConfig = RobustConfig()) -> None:
        """Start without a history.

        Raises:
            ValueError: `config` is of another type.
        """
        self._config = instance_of("config", config, RobustConfig, "write RobustConfig(...)")
        self._healthy = SortedWindow(config.window)
        self._recent = SortedWindow(config.drift_window)
        self._memory = _Memory(scale=config.random_guess_loss)

    def check(self, loss: float) -> Verdict:
        """Judge the next loss, any float."""
        if not math.isfinite(loss):
            return self._panic(PanicReason.NAN, True, loss, None, None)
        config, runs = self._config, self._memory.runs
        self._recent.push(loss)
        if len(self._healthy) < config.warm_up:
            return self._check_early(loss)

        median = self._healthy.median()
        margin = self._margin(median, config.floor_share)
        # Logarithmic above a tenth of the median, linear below it, so that noise around zero stays small.
        unit = 0.2 * margin + _TINY
        usual, now = math.asinh(median / unit), math.asinh(loss / unit)
        deviation = self._spread(unit)
        statistic = (now - usual) / deviation if deviation > 0.0 else None
        limit = _sinh(usual + config.spike_deviations * deviation) * unit
        threshold = _finite(max(median + (config.spike_ratio - 1.0) * margin, limit))

        is_unusual = now > usual + config.collapse_deviations * deviation
        if is_unusual and self._has_collapsed(loss, median):
            runs.collapses += 1
            is_due = runs.collapses >= config.collapse_patience
            return self._panic(PanicReason.LOBOTOMY, is_due, loss, threshold, statistic)
        runs.collapses = 0
        if loss > threshold:
            is_due = self._count_spike(loss > median + (config.gross_ratio - 1.0) * margin)
            return self._panic(PanicReason.DIVERGENCE, is_due, loss, threshold, statistic)
        runs.spikes = runs.gross_spikes = 0
        if self._is_drifting(deviation):
            runs.drifts += 1
            is_due = runs.drifts >= config.drift_patience
            return self._panic(PanicReason.DRIFT, is_due, loss, threshold, statistic)
        return self._accept(loss, threshold, statistic)

    def expect_shift(self) -> None:
        """Drop the history and learn the new losses; until there are enough, only gross losses are anomalous."""
        memory = self._memory
        if len(self._healthy):
            memory.usual = self._healthy.median()
        self._healthy.clear()
        self._recent.clear()
        memory.best = None
        memory.spread_age = 0
        memory.runs = _Runs()

    def accept_level(self) -> None:
        """Drop the history, and start another one with the losses judged last, anomalous ones included."""
        newest = self._recent.values()[-_ENOUGH:]
        self.expect_shift()
        for loss in newest:
            self._healthy.push(loss)
        if newest:
            self._memory.usual = self._healthy.median()

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Restore the statistics that belong to the restored weights; if `state` is None, start as after a shift."""
        if state is None:
            self.expect_shift()
        else:
            self.load_state_dict(state)
            self._memory.runs = _Runs()

    def state_dict(self) -> dict[str, Any]:
        """Return both windows, oldest loss first, and everything else that is remembered, in plain types."""
        return {
            "healthy": self._healthy.values(),
            "recent": self._recent.values(),
            **asdict(self._memory),
            "runs": list(astuple(self._memory.runs)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError: `state` is that of another kind of detector.
        """
        self._healthy = SortedWindow(self._config.window, state["healthy"])
        self._recent = SortedWindow(self._config.drift_window, state["recent"])
        memory = {each.name: state[each.name] for each in fields(_Memory)}
        self._memory = _Memory(**{**memory, "runs": _Runs(*state["runs"])})

    def _check_early(self, loss: float) -> Verdict:
        """Judge a loss during the warm-up, while there are too few losses to estimate a spread.

        A planned shift does not untrain a network: if it was trained and guesses again, it has collapsed.
        """
        memory = self._memory
        threshold = self._early_threshold()
        if threshold is None:
            return self._accept(loss, None, None)
        if memory.usual is not None and self._has_collapsed(loss, memory.usual):
            memory.runs.collapses += 1
            is_due = memory.runs.collapses >= self._config.collapse_patience
            return self._panic(PanicReason.LOBOTOMY, is_due, loss, threshold, None)
        memory.runs.collapses = 0
        if loss > threshold:
            is_due = self._count_spike(True)
            return self._panic(PanicReason.DIVERGENCE, is_due, loss, threshold, None)
        return self._accept(loss, threshold, None)

    def _early_threshold(self) -> float | None:
        """Return the highest healthy loss during the warm-up; None if there is nothing to compare with."""
        config, usual = self._config, self._memory.usual
        old = config.random_guess_loss if usual is None else usual
        if old is not None and len(self._healthy) < _ENOUGH:
            # The first losses after a shift are not a reference: a fault may have come with the shift.
            level, ratio = old, config.gross_warm_up
        elif len(self._healthy):
            level, ratio = self._healthy.median(), config.early_ratio
        else:
            return None
        return _finite(level + (ratio - 1.0) * self._margin(level, config.floor_share))

    def _count_spike(self, is_gross: bool) -> bool:
        """Count a spike and return whether there have been enough in a row for a rollback."""
        runs = self._memory.runs
        runs.spikes += 1
        runs.gross_spikes = runs.gross_spikes + 1 if is_gross else 0
        return (
            runs.spikes >= self._config.spike_patience
            or runs.gross_spikes >= self._config.gross_patience
        )

    def _has_collapsed(self, loss: float, median: float) -> bool:
        """Return whether a network that was trained, its usual loss being `median`, guesses again."""
        guess = self._config.random_guess_loss
        return (
            guess is not None
            and median < self._config.collapse_share * guess
            and abs(loss - guess) < self._config.collapse_tolerance * guess
        )

    def _spread(self, unit: float) -> float:
        """Return the standard deviation of the log-losses, at most `_SPREAD_AGE` losses old."""
        memory = self._memory
        if memory.spread_age == 0:
            log_deviation = self._healthy.median_deviation(lambda x: math.asinh(x / unit))
            memory.deviation = _MAD_TO_SIGMA * log_deviation
            memory.spread_age = _SPREAD_AGE
        memory.spread_age -= 1
        return memory.deviation

    def _margin(self, level: float, floor_share: float) -> float:
        """Return the size that ratios of `level` refer to: its absolute value plus a share of the task's scale."""
        return abs(level) + floor_share * (self._memory.scale or 0.0)

    def _is_drifting(self, deviation: float) -> bool:
        """Return whether the median of the newest losses is above the best one by more than noise explains."""
        ratio, memory = self._config.drift_ratio, self._memory
        if ratio is None or not self._recent.is_full:
            return False
        median = self._recent.median()
        if memory.best is None or median < memory.best:
            memory.best, memory.best_deviation = median, deviation
            return False
        margin = self._margin(memory.best, self._config.drift_floor_share)
        if median <= memory.best + (ratio - 1.0) * margin:
            return False
        unit = 0.2 * margin + _TINY
        rise = math.asinh(median / unit) - math.asinh(memory.best / unit)
        error = _MEDIAN_ERROR * memory.best_deviation / math.sqrt(self._config.drift_window)
        return rise > self._config.drift_deviations * error

    def _accept(self, loss: float, threshold: float | None, statistic: float | None) -> Verdict:
        """Remember a healthy loss and return an OK verdict."""
        memory = self._memory
        self._healthy.push(loss)
        if memory.scale is None and len(self._healthy) == self._config.warm_up:
            memory.scale = abs(self._healthy.median())
        if memory.runs.panics:
            memory.runs = _Runs()
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
        """Count an anomaly and return its verdict: a rollback if it `is_due`, otherwise a panic."""
        runs = self._memory.runs
        runs.panics += 1
        return Verdict(
            severity=Severity.ROLLBACK if is_due else Severity.PANIC,
            reason=reason,
            loss=loss,
            loss_threshold=threshold,
            consecutive_panics=runs.panics,
            statistic=statistic,
        )


def _sinh(x: float) -> float:
    """Return sinh, or infinity where it overflows."""
    return math.sinh(x) if x < _MAX_SINH else math.inf


def _finite(x: float) -> float:
    """Return `x`, or the largest float if `x` is larger."""
    return min(x, sys.float_info.max)
