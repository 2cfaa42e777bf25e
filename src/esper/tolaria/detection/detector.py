"""Detectors judge a series of losses: numbers in, a verdict out, no tensors.

`SigmaDetector` is the rule of the sigma above the mean, kept exactly as its users know it; `robust.py` holds the one
that the governor uses when it is given none.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from esper._generated.enums import PanicReason, Severity
from esper.tolaria.detection.verdict import Verdict


class Detector(Protocol):
    """Judges one series of losses."""

    def check(self, loss: float) -> Verdict:
        """Return what is to be made of the next loss of the series."""

    def expect_shift(self) -> None:
        """Note that the losses will change on purpose, as after a restart of the learning rate."""

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Note that the weights went back to when `state_dict` returned `state`; None if it is not known."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything remembered, in plain types."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what `state_dict` returned, and nothing else."""


class SigmaDetector:
    """Panics when a loss is not finite, equals random guessing, or is far above the mean of recent losses.

    A loss diverges when it exceeds three limits at once: an absolute one, a multiple of the mean, and a number of
    standard deviations above it. Losses that do not diverge become history; a rollback keeps the history.
    """

    MIN_HISTORY = 10
    """Losses needed before anything but a non-finite loss is judged."""
    COLLAPSE_MEAN_SHARE = 0.6
    """Share of the random-guess loss below which a network counts as having learnt."""
    COLLAPSE_TOLERANCE = 0.065
    """Share of the random-guess loss within which a loss counts as equal to it."""

    def __init__(
        self,
        *,
        sensitivity: float = 6.0,
        multiplier: float = 3.0,
        absolute_threshold: float = 12.0,
        history_window: int = 20,
        min_panics_before_rollback: int = 3,
        random_guess_loss: float | None = None,
    ) -> None:
        """Start without a history.

        The defaults are those of the rule as it is known. Losses are in the unit of the series, usually nats.

        Args:
            sensitivity: standard deviations above the mean.
            multiplier: multiple of the mean.
            absolute_threshold: loss that must be exceeded as well.
            history_window: losses remembered, at least 10.
            min_panics_before_rollback: divergent losses in a row that it takes.
            random_guess_loss: loss of a network that guesses, ln(classes); None leaves collapse untested.

        Raises:
            ValueError: the window or the number of panics is too small.
        """
        if history_window < self.MIN_HISTORY:
            raise ValueError(
                f"history_window must be at least {self.MIN_HISTORY}, got {history_window}"
            )
        if min_panics_before_rollback < 1:
            raise ValueError(
                f"min_panics_before_rollback must be at least 1, got {min_panics_before_rollback}"
            )
        self._sensitivity = sensitivity
        self._multiplier = multiplier
        self._absolute_threshold = absolute_threshold
        self._min_panics = min_panics_before_rollback
        self._guess = random_guess_loss
        self._history: deque[float] = deque(maxlen=history_window)
        self._panics = 0

    def check(self, loss: float) -> Verdict:
        """Return what is to be made of the next loss."""
        if not math.isfinite(loss):
            return self._panic(PanicReason.NAN, loss, None, None)
        history = self._history
        if len(history) < self.MIN_HISTORY:
            history.append(loss)
            return Verdict(severity=Severity.OK, loss=loss)

        mean = sum(history) / len(history)
        # A product, because ** raises where a float overflows.
        deviation = math.sqrt(
            sum([(past - mean) * (past - mean) for past in history]) / len(history)
        )
        threshold = max(
            self._absolute_threshold,
            mean + self._sensitivity * deviation,
            self._multiplier * mean,
        )
        statistic = (loss - mean) / deviation if deviation > 0.0 else None
        if self._has_collapsed(loss, mean):
            return self._panic(PanicReason.LOBOTOMY, loss, threshold, statistic)
        if loss > threshold:
            return self._panic(PanicReason.DIVERGENCE, loss, threshold, statistic)
        history.append(loss)
        self._panics = 0
        return Verdict(
            severity=Severity.OK,
            loss=loss,
            loss_threshold=threshold if math.isfinite(threshold) else None,
            statistic=statistic,
        )

    def expect_shift(self) -> None:
        """Change nothing: the rule knows no planned shifts."""

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Forget the panics, but keep the history."""
        self._panics = 0

    def state_dict(self) -> dict[str, Any]:
        """Return history and panics."""
        return {"history": list(self._history), "panics": self._panics}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over history and panics."""
        self._history.clear()
        self._history.extend(state["history"])
        self._panics = state["panics"]

    def _has_collapsed(self, loss: float, mean: float) -> bool:
        guess = self._guess
        return (
            guess is not None
            and mean < self.COLLAPSE_MEAN_SHARE * guess
            and abs(loss - guess) < self.COLLAPSE_TOLERANCE * guess
        )

    def _panic(
        self, reason: PanicReason, loss: float, threshold: float | None, statistic: float | None
    ) -> Verdict:
        """Return an anomalous verdict; only a divergence has to repeat itself before it is due."""
        self._panics += 1
        is_due = reason is not PanicReason.DIVERGENCE or self._panics >= self._min_panics
        return Verdict(
            severity=Severity.ROLLBACK if is_due else Severity.PANIC,
            reason=reason,
            loss=loss,
            loss_threshold=threshold,
            consecutive_panics=self._panics,
            statistic=statistic,
        )
