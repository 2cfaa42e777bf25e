"""The protocol of detectors, which judge a series of losses, and the sigma rule.

A detector gets numbers and returns verdicts; it knows no tensors. To write one, define the methods of `Detector`; no
base class is needed. `SigmaDetector` reproduces the recorded verdicts of `tests/golden/governor.jsonl` exactly.
The governor's default, `RobustDetector`, is in `robust.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from esper._generated.enums import PanicReason, Severity
from esper.leyline.arguments import check_methods, real_number, whole_number
from esper.tolaria.detection.verdict import Verdict


class Detector(Protocol):
    """Judges one series of losses, either training losses step by step or validation losses epoch by epoch."""

    def check(self, loss: float) -> Verdict:
        """Judge the next loss of the series, any float, and remember it if it is healthy.

        The severity is OK, PANIC (anomalous, but training may go on) or ROLLBACK.
        """

    def expect_shift(self) -> None:
        """Expect the losses to change on purpose, for example after a restart of the learning rate."""

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Adapt to a rollback: the weights are again those for which `state_dict` returned `state`, None if unknown."""

    def state_dict(self) -> dict[str, Any]:
        """Return the detector's memory in plain types; it is saved in snapshots and checkpoints."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace the detector's memory by what `state_dict` returned."""


@runtime_checkable
class LevelLearner(Protocol):
    """A detector that can take anomalous losses for the new level of the series."""

    def accept_level(self) -> None:
        """Take the losses judged last, anomalous ones included, for healthy: the data have changed, not the weights."""


def learn_level(detector: Detector) -> None:
    """Let `detector` accept the present losses; one that cannot learn a level is told to expect a shift."""
    if isinstance(detector, LevelLearner):
        detector.accept_level()
    else:
        detector.expect_shift()


def checked_detector(name: str, detector: Detector | None, default: Detector) -> Detector:
    """Return `detector`, the argument called `name`, or `default` when it is None.

    Raises:
        ValueError: it is a class or lacks a method of `Detector`.
    """
    if detector is None:
        return default
    methods = ("check", "expect_shift", "rewind", "state_dict", "load_state_dict")
    check_methods(name, detector, methods, "pass an object such as RobustDetector()")
    return detector


class SigmaDetector:
    """Panics when a loss is not finite, equals that of random guessing, or is far above the mean of recent losses.

    A loss diverges when it exceeds three limits at once: an absolute one, a multiple of the mean, and a number of
    standard deviations above the mean. Losses that are not anomalous become history; a rollback keeps the history.
    """

    MIN_HISTORY = 10
    """Losses needed before finite losses are judged."""
    COLLAPSE_MEAN_SHARE = 0.6
    """Share of the random-guess loss that the mean must fall below for the network to count as trained."""
    COLLAPSE_TOLERANCE = 0.065
    """Largest distance from the random-guess loss, as a share of it, at which a loss counts as equal to it."""

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

        The defaults are those of the recorded verdicts. Losses are in the unit of the series, usually nats.

        Args:
            sensitivity: standard deviations above the mean that a divergent loss exceeds.
            multiplier: multiple of the mean that it exceeds as well.
            absolute_threshold: loss that it exceeds as well.
            history_window: number of losses remembered, at least 10.
            min_panics_before_rollback: divergent losses in a row that lead to a rollback, at least 1.
            random_guess_loss: loss of random guessing, ln(number of classes); None turns the test for collapse off.

        Raises:
            ValueError: an argument is of another type or out of its range.
        """
        whole_number("history_window", history_window, minimum=self.MIN_HISTORY)
        whole_number("min_panics_before_rollback", min_panics_before_rollback, minimum=1)
        real_number("sensitivity", sensitivity, minimum=0.0)
        real_number("multiplier", multiplier, minimum=0.0)
        real_number("absolute_threshold", absolute_threshold, minimum=-math.inf)
        if random_guess_loss is not None:
            real_number("random_guess_loss", random_guess_loss, minimum=0.0)
        self._sensitivity = sensitivity
        self._multiplier = multiplier
        self._absolute_threshold = absolute_threshold
        self._min_panics = min_panics_before_rollback
        self._guess = random_guess_loss
        self._history: deque[float] = deque(maxlen=history_window)
        self._panics = 0

    def check(self, loss: float) -> Verdict:
        """Judge the next loss, any float."""
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
        """Do nothing: this rule does not support planned shifts."""

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Reset the count of panics, but keep the history, whatever `state` is."""
        self._panics = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the recent losses, oldest first, and the number of panics in a row."""
        return {"history": list(self._history), "panics": self._panics}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            KeyError: `state` is that of another kind of detector.
        """
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
        """Return an anomalous verdict; only a divergence must repeat itself before it leads to a rollback."""
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
