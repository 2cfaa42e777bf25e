"""Writes the campaign's results as Markdown and as JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from faults_campaign.catalogue import CONTROL
from faults_campaign.guardians import GOVERNOR, GUARDIANS
from faults_campaign.plan import Job
from faults_campaign.schedule import Fault
from faults_campaign.score import Score, score
from faults_campaign.trial import Outcome


class Report:
    """Scores the runs of a campaign, by guardian and fault, and renders the scores."""

    def __init__(
        self, faults: Sequence[Fault], results: Sequence[tuple[Job, Outcome | BaseException]]
    ) -> None:
        """Score the `results` of a campaign over `faults`; runs that raised an error are listed, but not scored."""
        self._faults = faults
        self.errors = [
            f"{job.guardian}, {job.fault or 'clean'}, {job.kind}, seed {job.seed}:"
            f" {type(outcome).__name__}: {outcome}"
            for job, outcome in results
            if isinstance(outcome, BaseException)
        ]
        in_order = sorted(
            ((job, outcome) for job, outcome in results if not isinstance(outcome, BaseException)),
            key=lambda result: result[0].seed,
        )
        self._clean = [(job, outcome) for job, outcome in in_order if job.fault is None]
        twins = {
            outcome.seed: outcome
            for job, outcome in self._clean
            if job.kind == "grown" and job.guardian == GOVERNOR
        }
        self._scores: dict[str, dict[str, Score]] = {guardian: {} for guardian in GUARDIANS}
        for guardian, scores in self._scores.items():
            for fault in (*faults, CONTROL):
                outcomes = [
                    outcome
                    for job, outcome in in_order
                    if (job.guardian, job.fault) == (guardian, fault.name) and outcome.seed in twins
                ]
                if outcomes:
                    scores[fault.name] = score(fault, outcomes, twins)

    def to_json(self) -> dict[str, Any]:
        """Return the results under our governor."""
        clean = self._clean_runs(GOVERNOR)
        scores = self._scores[GOVERNOR]
        return {
            "faults": {
                fault.name: _as_json(scores[fault.name])
                for fault in self._faults
                if fault.name in scores
            },
            "clean": {
                "runs": len(clean),
                "rollbacks": sum(outcome.num_rollbacks for outcome in clean),
            },
            "errors": self.errors,
        }

    def to_markdown(self) -> str:
        """Return the tables and the results of clean runs; they leave out what could not be run."""
        parts = [self._governor_table(), self._clean_text(), self._peer_table()]
        if self.errors:
            parts.append("\n".join(f"- not run to its end: {error}" for error in self.errors))
        return "\n\n".join(parts)

    def _governor_table(self) -> str:
        lines = [
            "| what goes wrong | detected | steps to detection: median, most | rollbacks: median, most"
            " | recovered | final accuracy | worst gap |",
            "|---|---|---|---|---|---|---|",
        ]
        for fault in (*self._faults, CONTROL):
            found = self._scores[GOVERNOR].get(fault.name)
            if found is None or not found.runs:
                lines.append(f"| {fault.text}{_not_begun(found)} | - | - | - | - | - | - |")
                continue
            lines.append(
                f"| {fault.text}{_not_begun(found)} | {_share(found.detected, found.runs)} | {_spread(found.delays)}"
                f" | {_spread(found.rollbacks)} | {_share(found.recovered, found.runs)}"
                f" | {found.accuracy:.2f} % | {found.worst_gap:.2f} pp |"
            )
        return "\n".join(lines)

    def _peer_table(self) -> str:
        lines = [
            f"| what goes wrong | {' | '.join(GUARDIANS)} |",
            f"|---|{'---|' * len(GUARDIANS)}",
        ]
        for fault in self._faults:
            cells = [_cell(scores.get(fault.name)) for scores in self._scores.values()]
            lines.append(f"| {fault.text} | {' | '.join(cells)} |")
        alarms = [_clean_cell(self._clean_runs(guardian)) for guardian in GUARDIANS]
        lines.append(f"| nothing | {' | '.join(alarms)} |")
        return "\n".join(lines)

    def _clean_text(self) -> str:
        grown, host, trainer = (
            [
                outcome
                for job, outcome in self._clean
                if (job.kind, job.guardian) == (kind, GOVERNOR)
            ]
            for kind in ("grown", "host", "trainer")
        )
        every = [*grown, *host, *trainer]
        mean = statistics.fmean([outcome.accuracy for outcome in grown]) if grown else math.nan
        return (
            f"In {len(every)} clean runs ({len(grown)} growing, {len(host)} of the host alone,"
            f" {len(trainer)} of `esper train`'s loop on digits as it is shipped) the governor rolled back"
            f" {sum(outcome.num_rollbacks for outcome in every)} times and refused"
            f" {sum(outcome.num_refused for outcome in every)} steps; the growing ones ended at"
            f" {mean:.2f} % on average."
        )

    def _clean_runs(self, guardian: str) -> list[Outcome]:
        return [outcome for job, outcome in self._clean if job.guardian == guardian]


def _as_json(found: Score) -> dict[str, Any]:
    return {
        "runs": found.runs,
        "not_begun": found.not_begun,
        "detected": found.detected,
        "recovered": found.recovered,
        "worst_gap_pp": round(found.worst_gap, 2) if found.runs else None,
    }


def _not_begun(found: Score | None) -> str:
    """Return how many runs a fault did not begin in, for a table; nothing if it began in all of them."""
    count = 0 if found is None else found.not_begun
    return f" (did not begin in {count} of {found.runs + count} runs)" if found and count else ""


def _share(count: int | None, runs: int) -> str:
    return "-" if count is None else f"{count} of {runs}"


def _spread(values: Sequence[int]) -> str:
    return f"{statistics.median(values):g}, {max(values)}" if values else "-"


def _cell(found: Score | None) -> str:
    if found is None or not found.runs:
        return "-"
    detected = "" if found.detected is None else f"detected {found.detected}, "
    return f"{detected}recovered {found.recovered} of {found.runs}, gap {found.worst_gap:.1f}"


def _clean_cell(outcomes: Sequence[Outcome]) -> str:
    num_disturbed = sum(outcome.num_rollbacks + outcome.num_refused > 0 for outcome in outcomes)
    return f"alarm in {num_disturbed} of {len(outcomes)}"
