"""The content of a report as one JSON object, for scripts."""

from collections.abc import Sequence
from dataclasses import dataclass

from esper.karn.report.comparison import Comparison, compare_runs
from esper.karn.report.sections import RunSection, make_section
from esper.karn.story import RunStory


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportJson:
    """All that a report says, without its charts."""

    runs: tuple[RunSection, ...]
    comparison: Comparison | None
    """None for a single run."""


def make_report_json(stories: Sequence[RunStory]) -> ReportJson:
    """Return the content of the report on `stories`."""
    return ReportJson(
        runs=tuple(make_section(story) for story in stories),
        comparison=compare_runs(stories) if len(stories) > 1 else None,
    )
