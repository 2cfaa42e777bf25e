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
from esper.leyline.arguments import instance_of
from esper.tolaria.detection.limits import RobustConfig
from esper.tolaria.detection.patience import Patience
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

    def __init__(self, config: RobustConfig | None = None) -> None:
        """Start without a history, with the limits `config`, by default `RobustConfig()`.

        Raises:
            ValueError: `config` is of another type.
        """
        if config is None:
            config = RobustConfig()
        self._config = instance_of("config", config, RobustConfig, "write RobustConfig(...)")
        self._healthy = SortedWindow(config.window)
        self._recent = SortedWindow(config.drift_window)
        self._memory = _Memory(scale=config.random_guess_loss)
        self._patience = Patience()

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
        self._end_spikes()
        if self._is_drifting(deviation):
            runs.drifts += 1
            is_due = runs.drifts >= config.drift_patience + self._extra_drift_patience()
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
            "patience": self._patience.state_dict(),
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
        # Checkpoints of earlier versions do not hold it.
        self._patience.load_state_dict(state.get("patience", (0.0, 0.0)))

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
        self._end_spikes()
        return self._accept(loss, threshold, None)

    def _early_threshold(self) -> float | None:
        """Return the highest healthy loss during the warm-up; None if there is nothing to compare with."""
        config, usual, scale = self._config, self._memory.usual, self._memory.scale
        known = [level for level in (usual, scale) if level is not None]
        if known and len(self._healthy) < _ENOUGH:
            # The first losses after a shift are not a reference: a fault may have come with the shift. On other data a
            # trained network may do as badly as an untrained one, or worse where it was sure of itself.
            level, ratio = max(known), config.gross_warm_up
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
        spikes, gross = self._config.spike_patience, self._config.gross_patience
        if self._config.learns_patience:
            spikes, gross = self._patience.required(spikes), self._patience.required(gross)
        return runs.spikes >= spikes or runs.gross_spikes >= gross

    def _extra_drift_patience(self) -> int:
        """Return how many more drifts are needed where single spikes are common, since these drift by chance."""
        return 2 * (self._patience.required(4) - 4) if self._config.learns_patience else 0

    def _end_spikes(self) -> None:
        """Note that a loss is no spike: those before it led to no rollback, so they meant nothing."""
        runs = self._memory.runs
        self._patience.note(runs.spikes)
        runs.spikes = runs.gross_spikes = 0

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
