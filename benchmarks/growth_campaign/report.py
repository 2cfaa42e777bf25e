"""Writes the campaign's results as a Markdown table, as comparisons with intervals, and as JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scipy.stats import t as student

from growth_campaign.arms import ARMS, GROWN, START, Arm
from growth_campaign.trial import Job, Outcome, Split, is_text

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with the half-width of its 95 % t-interval, which is infinite for a single value."""

    mean: float
    half_width: float

    @property
    def low(self) -> float:
        """The lower bound of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """The upper bound of the interval."""
        return self.mean + self.half_width


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of `values` and the half-width of its interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean=mean, half_width=math.inf)
    quantile = float(student.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return Estimate(
        mean=mean, half_width=quantile * statistics.stdev(values) / math.sqrt(len(values))
    )


class Report:
    """The outcomes of a campaign by task, arm and seed."""

    def __init__(self, results: Mapping[Job, Outcome], split: Split) -> None:
        """Sort the `results` of a campaign whose quality was measured on `split`."""
        self.split = split
        self._outcomes: dict[str, dict[str, dict[int, Outcome]]] = {}
        for job, outcome in results.items():
            arms = self._outcomes.setdefault(job.task, {})
            arms.setdefault(job.arm, {})[job.seed] = outcome

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that were run."""
        return tuple(self._outcomes)

    def arms(self, task: str) -> tuple[Arm, ...]:
        """Return the arms of `task` that were run, in the order of the table."""
        return tuple(arm for arm in ARMS if arm.name in self._outcomes[task])

    def outcomes(self, task: str, arm: str) -> tuple[Outcome, ...]:
        """Return the outcomes of one arm, by seed."""
        return tuple(self._outcomes[task][arm].values())

    def quality(self, task: str, arm: str) -> Estimate:
        """Return the mean quality of one arm."""
        return estimate([outcome.quality for outcome in self.outcomes(task, arm)])

    def difference(self, task: str, arm: str) -> Estimate:
        """Return by how much grown is better than `arm`: the mean of the differences of pairs of one seed."""
        grown, other = self._outcomes[task][GROWN], self._outcomes[task][arm]
        sign = -1.0 if is_text(task) else 1.0
        return estimate([sign * (grown[s].quality - other[s].quality) for s in grown if s in other])

    def mean(self, task: str, arm: str, figure: str) -> float:
        """Return the mean of a figure of the outcomes of one arm."""
        return statistics.fmean([getattr(outcome, figure) for outcome in self.outcomes(task, arm)])

    def to_json(self) -> dict[str, dict[str, dict[str, float | int | None]]]:
        """Return the mean figures by task and arm; a half-width that a single seed leaves unknown is null."""
        return {
            task: {arm.name: self._figures(task, arm.name) for arm in self.arms(task)}
            for task in self.tasks
        }

    def _figures(self, task: str, arm: str) -> dict[str, float | int | None]:
        quality = self.quality(task, arm)
        return {
            "quality": quality.mean,
            "half_width": quality.half_width if math.isfinite(quality.half_width) else None,
            "parameters": self.mean(task, arm, "num_params"),
            "updates": self.mean(task, arm, "updates"),
            "flops": self.mean(task, arm, "flops"),
            "seconds": self.mean(task, arm, "seconds"),
            "inference_flops": self.mean(task, arm, "inference_flops"),
            "seeds": len(self.outcomes(task, arm)),
        }

    def to_markdown(self) -> str:
        """Return a section for each task: the table, then how each aim fares."""
        return "\n\n".join(self._section(task) for task in self.tasks)

    def _section(self, task: str) -> str:
        name = "bits per byte, lower is better" if is_text(task) else "accuracy, %"
        lines = [
            f"### `{task}`: {name}, {self.split} split",
            "",
            "| what is trained | quality | grown is better by | parameters | updates, M | training, GFLOPs | CPU s | inference, MFLOPs | seeds |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
            *(self._row(task, arm) for arm in self.arms(task)),
        ]
        return "\n".join(lines)

    def _row(self, task: str, arm: Arm) -> str:
        digits = 4 if is_text(task) else 2
        quality = self.quality(task, arm.name)
        better = "" if arm.name == GROWN else _interval(self.difference(task, arm.name), digits)
        cells: list[Any] = [
            arm.text,
            f"{quality.mean:.{digits}f} ± {quality.half_width:.{digits}f}",
            better,
            f"{self.mean(task, arm.name, 'num_params'):,.0f}",
            f"{self.mean(task, arm.name, 'updates') / 1e6:.2f}{self._of_start(task, arm.name)}",
            f"{self.mean(task, arm.name, 'flops') / 1e9:,.0f}",
            f"{self.mean(task, arm.name, 'seconds'):.1f}",
            f"{self.mean(task, arm.name, 'inference_flops') / 1e6:.3f}",
            len(self.outcomes(task, arm.name)),
        ]
        return f"| {' | '.join(map(str, cells))} |"

    def _of_start(self, task: str, arm: str) -> str:
        """Return the updates as a multiple of those of the same network from the start, for the table."""
        if arm != GROWN or START not in self._outcomes[task]:
            return ""
        ratio = self.mean(task, arm, "updates") / self.mean(task, START, "updates")
        return f" ({ratio:.2f}x)"


def _interval(value: Estimate, digits: int) -> str:
    if not math.isfinite(value.half_width):
        return f"{value.mean:+.{digits}f}"
    return f"{value.mean:+.{digits}f} [{value.low:+.{digits}f}, {value.high:+.{digits}f}]"
