"""Scores the judges: what they do to healthy runs, and whether they detect damage and save damaged runs from it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from league.damages import Cell
from league.trial import DAMAGED, HEALTHY_KIND, TWIN, Results, Row

WORSE = 0.05
"""Share by which the loss on held-out data must end above that of the twin for damage to count."""
DEVIATIONS = 2.0
"""Standard deviations of the twins by which it must end above as well; a run within them has recovered."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds of a campaign."""

    healthy: tuple[int, ...]
    damaged: tuple[int, ...]
    twins: tuple[int, ...]
    """Those of the undisturbed runs, whose spread says how much chance decides: at least those of the damaged runs."""


@dataclass(slots=True, kw_only=True)
class Score:
    """The score of one judge."""

    healthy_runs: int = 0
    false_rollbacks: int = 0
    """Healthy runs that were rolled back."""
    false_stops: int = 0
    """Healthy runs that were stopped."""
    touched: int = 0
    """Healthy runs in which a step was refused or clipped."""
    damaged_runs: int = 0
    """Damaged runs in which the damage counts."""
    detected: int = 0
    """Those in which the judge refused a step, rolled back or stopped after the damage."""
    recovered: int = 0
    """Those that ended within two standard deviations of their twin."""
    delays: list[int] = field(default_factory=list)
    """Steps from the damage to the first of these actions, 1 where it was at once."""
    failures: list[str] = field(default_factory=list)
    """Sentences on the runs that went wrong."""

    @property
    def median_delay(self) -> float | None:
        """The median of the delays; None without any."""
        return statistics.median(self.delays) if self.delays else None


@dataclass(frozen=True, slots=True)
class Twins:
    """The undisturbed runs of one training."""

    ends: dict[int, float]
    """The loss on held-out data at the end, for each seed."""

    @property
    def deviation(self) -> float:
        """The standard deviation of the ends over the seeds; 0 with one seed."""
        return statistics.stdev(self.ends.values()) if len(self.ends) > 1 else 0.0

    def has_recovered(self, row: Row) -> bool:
        """Return whether a run ended as well as its twin, chance aside."""
        limit = self.ends[row.seed] + DEVIATIONS * self.deviation
        return row.held_out is not None and row.held_out <= limit

    def is_damaged(self, row: Row) -> bool:
        """Return whether a run ended so much worse that the damage counts."""
        end = self.ends[row.seed]
        return not self.has_recovered(row) and not (
            row.held_out is not None and row.held_out <= end + WORSE * abs(end)
        )


def score_judge(
    results: Results, judge: str, *, kinds: Sequence[str], cells: Sequence[Cell], seeds: Seeds
) -> Score:
    """Score a judge on the rows of these healthy kinds and cells."""
    score = Score()
    for kind in kinds:
        for seed in seeds.healthy:
            row = results.find(HEALTHY_KIND, kind, seed, judge)
            if row is not None:
                _score_healthy(score, row)
    for cell in cells:
        twins = twins_of(results, cell, seeds)
        for row, is_counted in _damaged_rows(results, judge, cell, twins, seeds.damaged):
            if is_counted:
                _score_damaged(score, row, cell, twins)
    return score


def twins_of(results: Results, cell: Cell, seeds: Seeds) -> Twins:
    """Return the undisturbed runs of the cell's training."""
    rows = [results.find(TWIN, cell.training.__name__, seed, None) for seed in seeds.twins]
    return Twins(
        {row.seed: row.held_out for row in rows if row is not None and row.held_out is not None}
    )


def _damaged_rows(
    results: Results, judge: str, cell: Cell, twins: Twins, seeds: tuple[int, ...]
) -> Iterator[tuple[Row, bool]]:
    """Yield the rows of a cell, each with whether the damage counts there."""
    for seed in seeds:
        plain = results.find(DAMAGED, cell.name, seed, None)
        row = results.find(DAMAGED, cell.name, seed, judge)
        if plain is not None and row is not None and seed in twins.ends:
            yield row, twins.is_damaged(plain)


def _score_healthy(score: Score, row: Row) -> None:
    score.healthy_runs += 1
    score.false_rollbacks += bool(row.rollbacks)
    score.false_stops += row.stop is not None
    score.touched += bool(row.skips or row.num_clips or row.rollbacks or row.stop is not None)
    if row.rollbacks or row.stop is not None:
        stop = "" if row.stop is None else f", stopped at {row.stop}"
        score.failures.append(
            f"healthy {row.kind}, seed {row.seed}: rolled back at {row.rollbacks}{stop}"
        )


def _score_damaged(score: Score, row: Row, cell: Cell, twins: Twins) -> None:
    start = cell.damage.start
    refused = sorted({*row.rollbacks, *row.skips, *(() if row.stop is None else (row.stop,))})
    delay = next((step - start + 1 for step in refused if step >= start), None)
    has_recovered = twins.has_recovered(row)
    score.damaged_runs += 1
    score.recovered += has_recovered
    if delay is not None:
        score.detected += 1
        score.delays.append(delay)
    if delay is None or not has_recovered:
        end = math.nan if row.held_out is None else row.held_out
        score.failures.append(
            f"damaged {row.kind} at {start}, seed {row.seed}:"
            f" {'not detected' if delay is None else f'detected after {delay}'},"
            f" {'recovered' if has_recovered else 'not recovered'} ({end:.3f}, twin {twins.ends[row.seed]:.3f}"
            f" +- {twins.deviation:.3f}); rolled back at {row.rollbacks}, {len(row.skips)} steps skipped, stop {row.stop}"
        )
