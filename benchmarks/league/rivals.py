"""Rules of other tools, written from their papers and documentation, with their default settings.

Rules that ask for earlier weights are detectors: our governor takes the snapshots and restores them, so that only the
judgement differs. Rules that skip steps or clip gradients do so themselves.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from statistics import NormalDist, fmean, stdev
from typing import Any, Final

import torch
from faults_campaign.spike_rule import SpikeRule
from torch import Tensor, nn

from esper._generated.enums import PanicReason, Severity
from esper.tolaria.detection.verdict import Verdict
from league.training import Batch, Reaction


class _RollbackRule:
    """A detector that asks for a rollback at once, and that begins again after it."""

    def check(self, loss: float) -> Verdict:
        """Judge the next loss."""
        if not self.is_bad(loss):
            return Verdict(severity=Severity.OK, loss=loss)
        reason = PanicReason.DIVERGENCE if math.isfinite(loss) else PanicReason.NAN
        return Verdict(severity=Severity.ROLLBACK, reason=reason, loss=loss, consecutive_panics=1)

    def is_bad(self, loss: float) -> bool:
        """Return whether earlier weights must be restored; remember the loss."""
        raise NotImplementedError

    def restart(self) -> None:
        """Forget all losses."""
        raise NotImplementedError

    def expect_shift(self) -> None:
        """Do nothing: the rule does not know expected shifts."""

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Begin again, as the restarted process does."""
        self.restart()

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: a restarted process has no memory."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Begin again."""
        self.restart()


class LightningSpikes(_RollbackRule):
    """The spike rule of Lightning's `SpikeDetection`; the loop restores a snapshot where that ends the process."""

    def __init__(self) -> None:
        """Start without a history."""
        self.restart()

    def is_bad(self, loss: float) -> bool:
        self._index += 1
        return self._rule.is_spike(loss, self._index)

    def restart(self) -> None:
        self._rule = SpikeRule()
        self._index = -1


class DlibSlope(_RollbackRule):
    """The test of dlib's `dnn_trainer`: is it nearly certain that losses have been rising since the last save?

    A straight line is fitted through the losses, and the probability that its slope is positive follows from the spread
    around it. The same must hold without the highest tenth of the losses. dlib tests when it saves, at certain times;
    here that is every fifty steps. It looks at twice as many losses as there have been since the last save, at least 30.
    """

    SAVE_INTERVAL: Final = 50
    LEAST_LOSSES: Final = 30
    CERTAINTY: Final = 0.99

    def __init__(self) -> None:
        """Start without a history."""
        self.restart()

    def is_bad(self, loss: float) -> bool:
        self._losses.append(loss)
        self._age += 1
        if self._age < self.SAVE_INTERVAL:
            return False
        self._age = 0
        losses = list(self._losses)
        if not all(map(math.isfinite, losses)):
            return True
        if len(losses) < self.LEAST_LOSSES:
            return False
        limit = sorted(losses)[int(0.9 * (len(losses) - 1))]
        kept = [(x, y) for x, y in enumerate(losses) if y <= limit]
        return (
            _probability_of_rise(list(enumerate(losses))) > self.CERTAINTY
            and _probability_of_rise(kept) > self.CERTAINTY
        )

    def restart(self) -> None:
        self._losses: deque[float] = deque(maxlen=2 * self.SAVE_INTERVAL)
        self._age = 0


def _probability_of_rise(points: Sequence[tuple[int, float]]) -> float:
    """Return the probability that the slope of a line through `points` is positive, the noise being normal."""
    x_mean, y_mean = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    rest = sum((y - y_mean - slope * (x - x_mean)) ** 2 for x, y in points)
    error = math.sqrt(rest / (len(points) - 2) / spread)
    return NormalDist().cdf(slope / error) if error > 0.0 else float(slope > 0.0)


class OlmoSkips:
    """The rule of OLMo-core's `SkipStepOptimizer`.

    A step is skipped unless both its loss and its gradient norm are at most six standard deviations above the mean of
    those before, of which there are at most 128; the first 64 are never judged. Skipped ones are remembered too.
    """

    WINDOW: Final = 128
    DEVIATIONS: Final = 6.0

    def __init__(self) -> None:
        """Start without a history."""
        self._series: tuple[deque[float], deque[float]] = (
            deque(maxlen=self.WINDOW),
            deque(maxlen=self.WINDOW),
        )
        self._reaction = Reaction.NOTHING

    def before_step(self, loss: Tensor | float, norm: Tensor | float, batch: Batch) -> Reaction:
        """Skip the step if one of the two numbers is too high, or is not a number."""
        is_fine = True
        for past, value in zip(self._series, (float(loss), float(norm)), strict=True):
            if len(past) >= self.WINDOW // 2:
                finite = all(map(math.isfinite, past))
                limit = fmean(past) + self.DEVIATIONS * stdev(past) if finite else math.nan
                is_fine = is_fine and value <= limit
            past.append(value)
        self._reaction = Reaction.NOTHING if is_fine else Reaction.SKIP
        return self._reaction

    def after_step(self) -> Reaction:
        """Return what was done about the step."""
        return self._reaction


class ZClip:
    """ZClip (arXiv:2504.02507): gradient norms that are outliers of their moving average are scaled down.

    Mean and variance are those of the first 25 norms, and then exponential averages of the clipped norms. A norm more
    than 2.5 standard deviations above the mean is reduced, the more the higher it is.
    """

    WARM_UP: Final = 25
    SMOOTHING: Final = 0.97
    LIMIT: Final = 2.5

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        """Clip the gradients of `parameters`."""
        self._parameters = parameters
        self._first: list[float] = []
        self._mean = self._variance = 0.0
        self._reaction = Reaction.NOTHING

    def before_step(self, loss: Tensor | float, norm: Tensor | float, batch: Batch) -> Reaction:
        """Clip the gradients if their norm is an outlier."""
        self._reaction = Reaction.NOTHING
        norm = float(norm)
        if len(self._first) < self.WARM_UP:
            self._first.append(norm)
            if len(self._first) == self.WARM_UP:
                self._mean = fmean(self._first)
                self._variance = fmean((one - self._mean) ** 2 for one in self._first)
            return self._reaction
        deviation = math.sqrt(self._variance)
        score = (norm - self._mean) / (deviation + 1e-6)
        if score > self.LIMIT:
            self._reaction = Reaction.CLIP
            clipped = self._mean + self.LIMIT**2 / score * deviation
            self._scale(clipped / norm)
            norm = clipped
        self._mean = self.SMOOTHING * self._mean + (1 - self.SMOOTHING) * norm
        square = (norm - self._mean) * (norm - self._mean)
        self._variance = self.SMOOTHING * self._variance + (1 - self.SMOOTHING) * square
        return self._reaction

    def after_step(self) -> Reaction:
        """Return what was done about the step."""
        return self._reaction

    def _scale(self, factor: float) -> None:
        gradients = [one.grad for one in self._parameters if one.grad is not None]
        if gradients:
            torch._foreach_mul_(gradients, factor)
