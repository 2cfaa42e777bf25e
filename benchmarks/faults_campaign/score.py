"""Scores the runs of one fault under one guardian."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from faults_campaign.network import EPOCH_STEPS
from faults_campaign.schedule import Fault
from faults_campaign.trial import Outcome

TOLERANCE = 1.0
"""Percentage points by which a run may end below its clean twin and count as recovered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The results of one fault under one guardian."""

    runs: int
    """Number of runs in which the fault began; the other numbers are about these."""
    not_begun: int
    """Number of runs in which the moment that the fault waits for never came."""
    detected: int | None
    """Number of runs in which the fault was detected; None where nothing has to be detected."""
    delays: tuple[int, ...]
    """Steps from the fault to the alarm, for each run with one."""
    rollbacks: tuple[int, ...]
    """Number of rollbacks in each run."""
    recovered: int
    """Number of runs that ended as they should, with finite weights and at most `TOLERANCE` below the clean twin."""
    accuracy: float
    """Mean of the final accuracies, in percent; NaN if the fault began in no run."""
    worst_gap: float
    """Percentage points by which the worst run ended below its clean twin; 0 if no run did, NaN if
    the fault began in no run."""


def score(fault: Fault, outcomes: Sequence[Outcome], clean: dict[int, Outcome]) -> Score:
    """Score the `outcomes` of `fault`; `clean` holds the run without a fault for each seed."""
    begun = [outcome for outcome in outcomes if outcome.began is not None]
    gaps = [_gap(fault, outcome, clean[outcome.seed]) for outcome in begun]
    detected = [outcome.detected for outcome in begun]
    return Score(
        runs=len(begun),
        not_begun=len(outcomes) - len(begun),
        detected=None if None in detected else sum(map(bool, detected)),
        delays=tuple(outcome.delay for outcome in begun if outcome.delay is not None),
        rollbacks=tuple(outcome.num_rollbacks for outcome in begun),
        recovered=sum(
            outcome.is_finite and outcome.is_complete is not fault.must_stop and gap <= TOLERANCE
            for outcome, gap in zip(begun, gaps, strict=True)
        ),
        accuracy=statistics.fmean([o.accuracy for o in begun]) if begun else math.nan,
        worst_gap=max(0.0, *gaps) if gaps else math.nan,
    )


def _gap(fault: Fault, outcome: Outcome, clean: Outcome) -> float:
    """Return by how many percentage points a run ended below its clean twin, the run without the fault.

    A run that had to be stopped is compared with its twin at that time, without the seeds that a rollback prunes.
    """
    assert outcome.began is not None
    if fault.must_stop:
        # A twin that was stopped itself is compared as it was at its end.
        before = clean.host_accuracies[: max(1, outcome.began // EPOCH_STEPS)]
        return before[-1] - outcome.accuracy if before else math.nan
    return clean.accuracy - outcome.accuracy
