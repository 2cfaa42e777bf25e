"""The governor's default detector, which decides which losses are anomalous by the noise of the series itself.

A mean and a standard deviation are distorted by the very losses that they should flag, an absolute limit is blind on every
task with smaller losses, and a multiple of the loss is never reached where most of it cannot be learned. So the level is a
median, the noise comes from differences between neighbours, which a trend does not widen, and the size of a rise is its
share of the progress that training has made. Two rules look for sudden and for gradual damage:

- a *spike*: a loss far above the median of recent healthy losses;
- a *drift*: the median of the newest few losses is well above the lowest such median so far.

A third rule looks for a *collapse*, a loss near that of random guessing. No rule asks for a rollback after a single
finite loss, because one bad batch does no damage; how many it takes depends on how often the series exceeds the limit
without damage (`tail.py`). Losses may be of any sign and scale.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final

from esper._generated.enums import PanicReason, Severity
from esper.leyline.arguments import instance_of
from esper.tolaria.detection.limits import STEP_LIMITS, RobustConfig
from esper.tolaria.detection.sorted_window import MAD_TO_SIGMA, SortedWindow
from esper.tolaria.detection.tail import Tail
from esper.tolaria.detection.verdict import Verdict

_MEDIAN_ERROR: Final = 1.2533
"""Standard error of a median over that of a mean, for a normal distribution."""
_HARD: Final = 0.8
"""Share of the batches that are not hard, at most."""
_ENOUGH: Final = 3
"""Losses after a shift whose median is a better reference than the losses before the shift."""
_LEAST_LEVEL_SHARE: Final = 1e-3
"""Share of the level below which no rise is a spike, for series without noise."""
_LEAST_PROGRESS_SHARE: Final = 0.01
"""Share of the level that counts as progress where there has been less, for networks that are trained further."""
_RARE: Final = 1.0 / 100.0
"""Chance below which a row of spikes is an anomaly: a single one, in a series without a record of harmless ones."""
_ALMOST_NEVER: Final = 1e-6
"""Chance below which a row of spikes leads to a rollback: less than once in the steps of a long training."""
_HARDLY_EVER: Final = 1e-4
"""The same for gross spikes: there is no time to lose, and few series have any."""


@dataclass(slots=True)
class _Runs:
    """Counts of anomalies in a row; the state dict lists them in this order."""

    panics: int = 0
    """Anomalies of any kind."""
    gross_spikes: int = 0
    drifts: int = 0
    collapses: int = 0
    damage: float = 0.0
    """Sum of the shares of the progress that the spikes in this row undo."""


@dataclass(slots=True)
class _Memory:
    """All that the detector remembers beside its windows; the field names are keys of its state dict."""

    first: float | None = None
    """Level of the first losses of the run, which progress is measured from; None until it is known."""
    lowest: float | None = None
    """Lowest level so far, which progress is measured to."""
    best: float | None = None
    """Lowest median of the newest losses since the last shift; None before the first."""
    best_deviation: float = 0.0
    """Noise of the losses at that time."""
    usual: float | None = None
    """Median of the healthy losses before the last shift; None before the first shift."""
    last: float | None = None
    """The last healthy loss; None after a shift."""
    runs: _Runs = field(default_factory=_Runs)


# `dataclasses.asdict` copies value by value, which each snapshot would wait for.
_MEMORY_KEYS: Final = tuple(each.name for each in fields(_Memory))
_memory_values: Final = attrgetter(*_MEMORY_KEYS)
_run_counts: Final = attrgetter(*[each.name for each in fields(_Runs)])


class RobustDetector:
    """Panics when a loss is not finite, equals that of random guessing, spikes, or has drifted away from the best.

    Only healthy losses become history, so that a lasting fault cannot become the reference.
    """

    def __init__(self, config: RobustConfig = STEP_LIMITS) -> None:
        """Start without a history.

        Raises:
            ValueError: `config` is of another type.
        """
        self._config = instance_of("config", config, RobustConfig, "write RobustConfig(...)")
        self._healthy = SortedWindow(config.window)
        self._differences = SortedWindow(config.window)
        self._recent = SortedWindow(config.drift_window)
        self._memory = _Memory()
        self._spikes = Tail()
        self._drifts = Tail()

    def check(self, loss: float) -> Verdict:
        """Judge the next loss, any float."""
        if not math.isfinite(loss):
            return self._panic(PanicReason.NAN, True, loss, None, None)
        config, runs = self._config, self._memory.runs
        self._recent.push(loss)
        if len(self._healthy) < config.warm_up:
            return self._check_early(loss)

        noise = self._noise()
        level = self._level(noise)
        rise = loss - level
        statistic = _finite(rise / noise) if noise > 0.0 else None
        threshold = _finite(level + self._spike_limit(level, noise))
        if self._has_collapsed(loss, level) and rise > config.collapse_deviations * noise:
            runs.collapses += 1
            is_due = runs.collapses >= config.collapse_patience
            return self._panic(PanicReason.LOBOTOMY, is_due, loss, threshold, statistic)
        runs.collapses = 0
        is_spike, is_drift = loss > threshold, self._is_drifting(level, noise)
        if self._spikes.note(is_spike, rise):
            is_due = self._count_damage(rise, level, noise)
            if self._spikes.is_rarer(_RARE):
                return self._panic(PanicReason.DIVERGENCE, is_due, loss, threshold, statistic)
        else:
            runs.damage, runs.gross_spikes = 0.0, 0
        if is_drift:
            is_due = runs.drifts >= config.drift_patience
            return self._panic(PanicReason.DRIFT, is_due, loss, threshold, statistic)
        return self._accept(loss, threshold, statistic)

    def expect_shift(self) -> None:
        """Drop the history and learn the new losses; until there are enough, only gross losses are anomalous."""
        memory = self._memory
        if len(self._healthy):
            memory.usual = self._healthy.median()
        self._healthy.clear()
        self._differences.clear()
        self._recent.clear()
        memory.best = memory.last = None
        memory.runs = _Runs()
        self._spikes.end_run(is_harmless=True)
        self._drifts.end_run(is_harmless=True)

    def accept_level(self) -> None:
        """Drop the history, and start another one with the losses judged last, anomalous ones included."""
        newest = self._recent.values()[-_ENOUGH:]
        self.expect_shift()
        for loss in newest:
            self._accept(loss, None, None)
        if newest:
            self._memory.usual = self._healthy.median()

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Restore the statistics that belong to the restored weights; if `state` is None, start as after a shift.

        The record of harmless spikes and drifts is kept: it belongs to the data, not to the weights.
        """
        self._spikes.end_run(is_harmless=False)
        self._drifts.end_run(is_harmless=False)
        if state is None:
            self.expect_shift()
            return
        spikes, drifts = self._spikes, self._drifts
        self.load_state_dict(state)
        self._spikes, self._drifts = spikes, drifts
        self._memory.runs = _Runs()

    def state_dict(self) -> dict[str, Any]:
        """Return the windows, oldest value first, and everything else that is remembered, in plain types."""
        return {
            "healthy": self._healthy.values(),
            "differences": self._differences.values(),
            "recent": self._recent.values(),
            **dict(zip(_MEMORY_KEYS, _memory_values(self._memory), strict=True)),
            "runs": list(_run_counts(self._memory.runs)),
            "spikes": self._spikes.to_list(),
            "drifts": self._drifts.to_list(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError: `state` is that of another kind of detector.
        """
        if "differences" not in state:
            state = _from_older_file(state)
        memory = {key: state[key] for key in _MEMORY_KEYS}
        runs, spikes, drifts = _Runs(*state["runs"]), state["spikes"], state["drifts"]
        self._spikes, self._drifts = Tail.from_list(spikes), Tail.from_list(drifts)
        self._healthy = SortedWindow(self._config.window, state["healthy"])
        self._differences = SortedWindow(self._config.window, state["differences"])
        self._recent = SortedWindow(self._config.drift_window, state["recent"])
        self._memory = _Memory(**{**memory, "runs": runs})

    def _check_early(self, loss: float) -> Verdict:
        """Judge a loss during the warm-up, while there are too few losses to estimate the noise.

        A planned shift does not untrain a network: if it was trained and guesses again, it has collapsed.
        """
        memory, config = self._memory, self._config
        threshold = self._early_threshold()
        if threshold is None:
            return self._accept(loss, None, None)
        if memory.usual is not None and self._has_collapsed(loss, memory.usual):
            memory.runs.collapses += 1
            is_due = memory.runs.collapses >= config.collapse_patience
            return self._panic(PanicReason.LOBOTOMY, is_due, loss, threshold, None)
        memory.runs.collapses = 0
        if loss > threshold:
            memory.runs.gross_spikes += 1
            is_due = memory.runs.gross_spikes >= config.gross_patience
            return self._panic(PanicReason.DIVERGENCE, is_due, loss, threshold, None)
        memory.runs.gross_spikes = 0
        return self._accept(loss, threshold, None)

    def _early_threshold(self) -> float | None:
        """Return the highest healthy loss during the warm-up; None if there is nothing to compare with."""
        config, memory = self._config, self._memory
        first = memory.first if config.random_guess_loss is None else config.random_guess_loss
        if len(self._healthy) >= _ENOUGH:
            level = max(self._healthy.values())
            return _finite(level + (config.early_ratio - 1.0) * abs(level))
        if first is None:
            return None
        # The first losses after a shift are not a reference: a fault may have come with the shift.
        level = max(first, memory.usual if memory.usual is not None else first)
        return _finite(level + (config.shift_ratio - 1.0) * abs(level))

    def _level(self, noise: float) -> float:
        """Return the usual loss: the median, or the level of the hard batches where a fifth of all batches are hard."""
        return max(self._healthy.median(), self._healthy.quantile(_HARD) - noise)

    def _spike_limit(self, level: float, noise: float) -> float:
        """Return the rise above the level that makes a loss a spike."""
        config = self._config
        return max(
            config.spike_deviations * noise,
            (config.spike_ratio - 1.0) * abs(level),
            config.spike_progress * self._progress(level),
            _LEAST_LEVEL_SHARE * abs(level),
        )

    def _progress(self, level: float) -> float:
        """Return how far training has lowered the loss, at least a hundredth of the level."""
        memory = self._memory
        if memory.first is None or memory.lowest is None:
            return _LEAST_PROGRESS_SHARE * abs(level)
        return max(memory.first - memory.lowest, _LEAST_PROGRESS_SHARE * abs(level))

    def _count_damage(self, rise: float, level: float, noise: float) -> bool:
        """Add what a spike undoes, and return whether the spikes in this row lead to a rollback."""
        config, runs = self._config, self._memory.runs
        share = rise / max(
            self._progress(level), config.spike_deviations * noise, sys.float_info.min
        )
        if share >= config.damage_share:
            runs.damage += min(share, 1.0)
        runs.gross_spikes = runs.gross_spikes + 1 if share > config.gross_share else 0
        if runs.gross_spikes >= config.gross_patience:
            return self._spikes.is_rarer(_HARDLY_EVER)
        return (
            self._spikes.run >= config.spike_patience
            and runs.damage >= config.damage_sum
            and self._spikes.is_rarer(_ALMOST_NEVER)
        )

    def _has_collapsed(self, loss: float, level: float) -> bool:
        """Return whether a network that was trained, its usual loss being `level`, guesses again."""
        guess = self._config.random_guess_loss
        return (
            guess is not None
            and level < self._config.collapse_share * guess
            and abs(loss - guess) < self._config.collapse_tolerance * guess
        )

    def _noise(self) -> float:
        """Return the standard deviation of the losses around their trend, from differences between neighbours."""
        if not len(self._differences):
            return 0.0
        return MAD_TO_SIGMA * self._differences.median() / math.sqrt(2.0)

    def _is_drifting(self, level: float, noise: float) -> bool:
        """Return whether the median of the newest losses is above the best one by more than noise explains.

        The noise is the smaller one of now and of when the losses were best: a drift widens the present noise and would
        hide itself, and the losses before the best ones may have fallen steeply.
        """
        config, memory = self._config, self._memory
        if config.drift_share is None or not self._recent.is_full:
            return False
        median = self._recent.median()
        if memory.best is None or median < memory.best:
            memory.best, memory.best_deviation = median, noise
        error = _MEDIAN_ERROR * min(noise, memory.best_deviation) / math.sqrt(config.drift_window)
        least = max(config.spike_progress * self._progress(level), _LEAST_LEVEL_SHARE * abs(level))
        self._drifts.note(median > memory.best + max(least, config.drift_deviations * error))
        limit = max(
            least,
            config.drift_due_deviations * error,
            config.drift_share * self._progress(memory.best),
        )
        # Half of the newest losses may be high by chance in a mixture of easy and hard batches; three quarters are not.
        is_due = min(median, self._recent.quantile(0.25) + 0.5 * limit) > memory.best + limit
        memory.runs.drifts = memory.runs.drifts + 1 if is_due else 0
        return self._drifts.run > 0 and self._drifts.is_rarer(1.0)

    def _accept(self, loss: float, threshold: float | None, statistic: float | None) -> Verdict:
        """Remember a healthy loss and return an OK verdict."""
        memory = self._memory
        if memory.last is not None:
            self._differences.push(_finite(abs(loss - memory.last)))
        memory.last = loss
        was_warm = self._has_warmed_up()
        self._healthy.push(loss)
        if self._has_warmed_up() and not was_warm:
            self._note_early_spikes()
        if len(self._healthy) >= min(self._config.warm_up, _ENOUGH):
            level = self._healthy.median()
            if memory.first is None or (memory.usual is None and not self._has_warmed_up()):
                memory.first = level
            memory.lowest = level if memory.lowest is None else min(memory.lowest, level)
        memory.runs.panics = 0
        return Verdict(
            severity=Severity.OK, loss=loss, loss_threshold=threshold, statistic=statistic
        )

    def _note_early_spikes(self) -> None:
        """Count the spikes in the second half of the warm-up, the first half of which may be a steep fall."""
        noise = self._noise()
        level = self._level(noise)
        limit = level + self._spike_limit(level, noise)
        losses = self._healthy.values()
        for loss in losses[len(losses) // 2 :]:
            self._spikes.note(loss > limit, loss - level)
        self._spikes.end_run(is_harmless=True)

    def _has_warmed_up(self) -> bool:
        return len(self._healthy) >= self._config.warm_up

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


def _finite(x: float) -> float:
    """Return `x`, or the largest float of its sign if it is beyond."""
    return max(-sys.float_info.max, min(x, sys.float_info.max))


def _from_older_file(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of a detector that remembered the same losses, but no differences and no first level.

    Raises:
        KeyError: `state` is that of another kind of detector.
    """
    healthy = list(state["healthy"])
    level = sorted(healthy)[len(healthy) // 2] if healthy else None
    return {
        "healthy": healthy,
        "differences": [abs(b - a) for a, b in pairwise(healthy)],
        "recent": state["recent"],
        "first": state["scale"],
        "lowest": level,
        "best": None,
        "best_deviation": 0.0,
        "usual": state["usual"],
        "last": healthy[-1] if healthy else None,
        "runs": list(astuple(_Runs())),
        "spikes": Tail().to_list(),
        "drifts": Tail().to_list(),
    }
