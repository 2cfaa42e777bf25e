"""The charts of runs: one function each, which takes a run or several and returns an Altair chart; `esper.charts` offers them.

A chart whose values are not in the log says so in the place of the drawing. Each has a text alternative with the numbers, which
`describe` returns too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from esper.karn.charts import comparison, slots
from esper.karn.charts.curves import describe_curves, draw_curves
from esper.karn.charts.evidence import describe_evidence, draw_evidence
from esper.karn.charts.groups import choose_curve
from esper.karn.charts.palette import Theme
from esper.karn.charts.rows import NOT_IN_LOG, Stories, as_runs
from esper.karn.charts.style import empty
from esper.karn.series import Series
from esper.karn.story import RunStory

if TYPE_CHECKING:
    from altair.typing import ChartType

_SMALL = 110


def losses(stories: Stories, *, theme: Theme = "light") -> ChartType:
    """Return the losses over epochs and steps, with stage changes, snapshots, cleared suspicions and rollbacks.

    Of several runs, the validation loss of each group of runs that differ only in their seed; if none of them has one, the
    loss that most of them logged.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    runs = as_runs(stories)
    if len(runs) == 1:
        return _draw_run(runs[0], "losses", theme)
    return _draw_group(runs, "losses", theme)


def metrics(stories: Stories, *, theme: Theme = "light") -> ChartType:
    """Return accuracies and logged metrics, marked as the losses are; of several runs, the validation accuracy, or else
    the metric that most of them logged.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    runs = as_runs(stories)
    if len(runs) == 1:
        return _draw_run(runs[0], "metrics", theme)
    return _draw_group(runs, "metrics", theme)


def learning_rate(stories: Stories, *, theme: Theme = "light") -> ChartType:
    """Return the learning rate per epoch.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    runs = as_runs(stories)
    if len(runs) == 1:
        return _draw_run(runs[0], "learning_rate", theme, height=_SMALL, has_strip=False)
    return _draw_group(runs, "learning_rate", theme)


def system(stories: Stories, *, theme: Theme = "light") -> ChartType:
    """Return the load of the machine over time: processor, memory, disk, GPUs; of several runs, that of the first.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    runs = as_runs(stories)
    if not runs:
        return empty(describe("system", runs), theme)
    return _draw_run(runs[0], "system", theme, height=_SMALL, has_strip=False)


def timeline(stories: Stories, *, theme: Theme = "light") -> ChartType:
    """Return the stages of every slot over the epochs, with gates, ends of seeds, and rollbacks.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    return slots.draw_timeline(stories, theme)


def alphas(stories: Stories, *, theme: Theme = "light") -> ChartType:
    """Return the amplitudes of the seeds over the epochs, a strip for each slot.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    return slots.draw_alphas(stories, theme)


def gradients(stories: Stories, *, theme: Theme = "light") -> ChartType:
    """Return the ratio of each seed's gradient norm to the host's over the epochs.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    return slots.draw_gradients(stories, theme)


def evidence(stories: Stories, *, theme: Theme = "light") -> ChartType:
    """Return the comparisons of each seed: the change of the loss with its interval, and the price that it must beat.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    return draw_evidence(stories, theme)


def pareto(stories: Stories, *, theme: Theme = "light") -> ChartType:
    """Return parameters against quality, with the front of several runs; of these FLOPs against quality too, if logged.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    return comparison.draw_pareto(stories, theme)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartEntry:
    """A chart of the catalog."""

    title: str
    draw: Callable[..., ChartType]
    reading: str
    """How to read it: the meaning of its signs."""


_SIGNS = (
    "Vertical lines are rollbacks. The signs below mark stage changes of seeds, epochs of a rejuvenation's trial, snapshots,"
    " suspicions that were cleared, rollbacks, and values that are NaN or infinite."
)

CHARTS: Final[Mapping[str, ChartEntry]] = {
    "losses": ChartEntry(title="Losses", draw=losses, reading=_SIGNS),
    "metrics": ChartEntry(title="Metrics", draw=metrics, reading=_SIGNS),
    "timeline": ChartEntry(
        title="Timeline of the slots",
        draw=timeline,
        reading="Each row is a slot, each bar a stage of its seed; vertical lines are rollbacks.",
    ),
    "alphas": ChartEntry(
        title="Amplitudes",
        draw=alphas,
        reading="0: the seed has no effect on the output; 1: it is fully blended in.",
    ),
    "gradients": ChartEntry(
        title="Gradients of the seeds",
        draw=gradients,
        reading="Below the dotted line, the seed learns from a smaller gradient than the host.",
    ),
    "evidence": ChartEntry(
        title="Evidence for the seeds",
        draw=evidence,
        reading="Each bar is the interval of a comparison with and without the seed; the newest is the lowest and boldest.",
    ),
    "pareto": ChartEntry(
        title="Parameters and quality",
        draw=pareto,
        reading="Further to the left is smaller, higher is better.",
    ),
    "learning_rate": ChartEntry(title="Learning rate", draw=learning_rate, reading=""),
    "system": ChartEntry(title="Load of the machine", draw=system, reading=""),
}
"""The charts by the names of their functions, in the order in which the report shows them."""


def describe(name: str, stories: Stories) -> str:
    """Return the text alternative of a chart: a sentence with the numbers that it shows. Needs no extra."""
    runs = as_runs(stories)
    if name == "timeline":
        return slots.describe_timeline(runs)
    if name == "alphas":
        return slots.describe_slots(runs, "alpha")
    if name == "gradients":
        return slots.describe_slots(runs, "gradient")
    if name == "evidence":
        return describe_evidence(runs)
    if name == "pareto":
        return comparison.describe_pareto(runs)
    if len(runs) == 1 or name == "system":
        return describe_curves(_series(runs[0], name) if runs else {}, CHARTS[name].title)
    return comparison.describe_group_curves(runs, *_compared_curves(runs, name))


def has_data(name: str, stories: Stories) -> bool:
    """Return whether the log has values that a chart could show."""
    return not describe(name, stories).endswith((f": {NOT_IN_LOG}.", ": no seed was planted."))


def _series(story: RunStory, name: str) -> Mapping[str, Series]:
    series = {
        "losses": story.losses,
        "metrics": story.metric_series,
        "learning_rate": story.learning_rates,
        "system": story.system,
    }
    return series[name]


def _draw_run(story: RunStory, name: str, theme: Theme, **options: Any) -> ChartType:
    series = _series(story, name)
    return draw_curves(story, series, text=describe(name, story), theme=theme, **options)


def _draw_group(runs: tuple[RunStory, ...], name: str, theme: Theme) -> ChartType:
    text = describe(name, runs)
    return comparison.draw_group_curves(runs, *_compared_curves(runs, name), theme, text)


def _compared_curves(
    runs: tuple[RunStory, ...], name: str
) -> tuple[str, tuple[Series | None, ...]]:
    """Return the curve by which several runs are compared, as `choose_curve` does."""
    own = {"losses": "val_loss", "metrics": "val_accuracy", "learning_rate": "learning_rate"}[name]
    return choose_curve([_series(run, name) for run in runs], own)
