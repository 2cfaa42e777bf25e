"""Writes the scores of the league as Markdown and as JSON."""

from __future__ import annotations

from typing import Any

from scipy.stats import binomtest

from league.judges import JUDGES
from league.plan import Campaign
from league.score import Score, score_judge
from league.trial import Results


class Report:
    """The scores of all judges of a campaign."""

    def __init__(self, campaign: Campaign, results: Results) -> None:
        """Score the judges on what `results` holds."""
        self._campaign = campaign
        self._results = results
        self.scores = {
            judge: score_judge(
                results, judge, kinds=campaign.kinds, cells=campaign.cells, seeds=campaign.seeds
            )
            for judge in campaign.judges
        }

    def to_json(self) -> dict[str, Any]:
        """Return the counts of each judge."""
        return {
            judge: {
                "healthy_runs": score.healthy_runs,
                "false_rollbacks": score.false_rollbacks,
                "false_stops": score.false_stops,
                "touched": score.touched,
                "damaged_runs": score.damaged_runs,
                "detected": score.detected,
                "recovered": score.recovered,
                "median_delay": score.median_delay,
            }
            for judge, score in self.scores.items()
        }

    def to_markdown(self) -> str:
        """Return a table of the judges, and one of kinds and cells for each judge."""
        lines = [
            "| judge | healthy runs rolled back | stopped | touched at all | damage detected | recovered | median delay |",
            "|---|---|---|---|---|---|---|",
        ]
        for judge, score in self.scores.items():
            healthy = (score.false_rollbacks, score.false_stops, score.touched)
            cells = [_upper(count, score.healthy_runs) for count in healthy]
            cells += [_lower(n, score.damaged_runs) for n in (score.detected, score.recovered)]
            delay = "-" if score.median_delay is None else f"{score.median_delay:g}"
            lines.append(f"| {JUDGES[judge].text} | {' | '.join(cells)} | {delay} |")
        return "\n".join([*lines, "", *self._kind_table(), "", *self._cell_table()])

    def failures(self) -> str:
        """Return a line for each run that went wrong under one of our own judges."""
        return "\n".join(
            f"{judge}: {failure}"
            for judge, score in self.scores.items()
            if judge in ("ours", "without_probe")
            for failure in score.failures
        )

    def _kind_table(self) -> list[str]:
        """Return, for each healthy kind, how many runs each judge touched."""
        campaign = self._campaign
        rows = []
        for kind in campaign.kinds:
            scores = [self._score(judge, kinds=(kind,)) for judge in campaign.judges]
            cells = [f"{s.false_rollbacks} / {s.false_stops} / {s.touched}" for s in scores]
            rows.append(f"| {kind.replace('_', ' ')} | {' | '.join(cells)} |")
        return [*self._header("healthy: rolled back / stopped / touched at all"), *rows]

    def _cell_table(self) -> list[str]:
        """Return, for each cell, how often each judge detected the damage and the run recovered."""
        campaign = self._campaign
        rows = []
        for cell in campaign.cells:
            scores = [self._score(judge, cells=(cell,)) for judge in campaign.judges]
            cells = [f"{s.detected} / {s.recovered}" for s in scores]
            runs = scores[0].damaged_runs if scores else 0
            rows.append(f"| {cell.text} ({runs} runs) | {' | '.join(cells)} |")
        return [*self._header("damaged: detected / recovered"), *rows]

    def _score(self, judge: str, *, kinds: Any = (), cells: Any = ()) -> Score:
        return score_judge(
            self._results, judge, kinds=kinds, cells=cells, seeds=self._campaign.seeds
        )

    def _header(self, first: str) -> list[str]:
        judges = [JUDGES[judge].text for judge in self._campaign.judges]
        return [f"| {first} | {' | '.join(judges)} |", f"|---|{'---|' * len(judges)}"]


def _upper(count: int, runs: int) -> str:
    """Return a count with the upper end of its 95 % interval (Clopper and Pearson)."""
    if not runs:
        return "-"
    bound = binomtest(count, runs).proportion_ci(method="exact").high
    return f"{count} of {runs} (at most {100 * bound:.1f} %)"


def _lower(count: int, runs: int) -> str:
    """Return a count with the lower end of its 95 % interval (Clopper and Pearson)."""
    if not runs:
        return "-"
    bound = binomtest(count, runs).proportion_ci(method="exact").low
    return f"{count} of {runs} (at least {100 * bound:.1f} %)"
