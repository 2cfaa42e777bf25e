"""The part of a report that compares runs: groups that differ only in their seed, settings that differ, and a table of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from esper._generated.enums import SeedStage
from esper.karn.charts.groups import (
    Interval,
    RunGroup,
    choose_losses,
    configuration,
    differing_settings,
    group_runs,
    is_seed,
    mean_interval,
)
from esper.karn.charts.rows import MAX_NAME, NOT_IN_LOG, name_runs
from esper.karn.report.sections import Table
from esper.karn.report.sentences import describe_extent, outcome_of, show
from esper.karn.story import RunStory
from esper.leyline.text import printable

MAX_RUNS: Final = 200
"""Runs that get a row in a table."""
_MAX_SETTINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The tables that compare runs; the first row of each is its head."""

    groups: Table
    settings: Table
    """The settings that differ, a row each, with a column for each group."""
    num_same_settings: int
    runs: Table
    missing: tuple[str, ...]
    """Columns of the two tables that are left out, as no run has their values."""
    sentences: tuple[str, ...]


def compare_runs(stories: Sequence[RunStory]) -> Comparison:
    """Return the comparison of two runs or more."""
    groups = group_runs(stories)
    differing = [name for name in differing_settings(stories) if not is_seed(name)]
    num_settings = len(
        {name for story in stories for name in configuration(story) if not is_seed(name)}
    )
    loss, values = choose_losses(stories)
    losses = {id(story): value for story, value in zip(stories, values, strict=True)}
    name = f"newest {printable(loss, MAX_NAME)}"
    group_rows = [_GROUP_HEAD, *(_group_row(group, losses) for group in groups)]
    run_rows = [_RUN_HEAD, *_run_rows(stories, groups, losses)]
    # Runs are compared by their quality; the loss of a loop that reports none takes its place.
    has_quality = any(story.quality is not None for story in stories)
    group_table, missing = _without_empty(group_rows, name, has_quality)
    run_table, more = _without_empty(run_rows, name, has_quality)
    return Comparison(
        groups=group_table,
        settings=_settings(groups, differing[:_MAX_SETTINGS]),
        num_same_settings=num_settings - len(differing),
        runs=run_table,
        missing=tuple(dict.fromkeys((*missing, *more))),
        sentences=tuple(_sentences(stories, groups, differing)),
    )


_LOSS = "loss"
_GROUP_HEAD = (
    "group",
    "runs",
    "seeds",
    _LOSS,
    "quality [%]",
    "gain over the host [pp]",
    "parameters",
    "FLOPs",
    "rollbacks",
)
_RUN_HEAD = (
    "run",
    "group",
    "seed",
    "outcome",
    "epochs",
    _LOSS,
    "quality [%]",
    "host alone [%]",
    "parameters",
    "updates",
    "FLOPs",
    "kept",
    "pruned",
    "rollbacks",
)


def _without_empty(
    rows: Sequence[Sequence[str]], loss: str, has_quality: bool
) -> tuple[Table, tuple[str, ...]]:
    """Return a table without the columns that no run has values for, and the names of these; `loss` is the name of the loss."""
    columns = list(zip(*rows, strict=True))
    if has_quality:
        columns = [one for one in columns if one[0] != _LOSS]
    columns = [(loss, *one[1:]) if one[0] == _LOSS else one for one in columns]
    empty = [one for one in columns if set(one[1:]) == {NOT_IN_LOG}]
    kept = [one for one in columns if one not in empty]
    return tuple(zip(*kept, strict=True)), tuple(one[0] for one in empty)


def _sentences(
    stories: Sequence[RunStory], groups: Sequence[RunGroup], differing: Sequence[str]
) -> list[str]:
    kinds = "group" if len(groups) == 1 else "groups"
    text = [
        f"{len(stories)} runs in {len(groups)} {kinds} of one configuration each; runs of a group differ at most in their seed."
    ]
    if differing:
        text.append(
            "1 setting differs between the groups."
            if len(differing) == 1
            else f"{len(differing)} settings differ between the groups."
        )
    best = max(
        (
            (interval.mean, group.label)
            for group in groups
            if (interval := _interval(group)) is not None
        ),
        default=None,
    )
    if best is not None and len(groups) > 1:
        text.append(f"The best mean quality, {best[0]:.2f} %, is that of group {best[1]}.")
    if any(len(group.stories) < 2 for group in groups):
        text.append(
            "A group of one run has no interval: run it with further seeds to learn how much the result varies."
        )
    return text


def _interval(group: RunGroup) -> Interval | None:
    values = [score for story in group.stories if (score := story.quality) is not None]
    return mean_interval(values) if values else None


def _mean(values: Sequence[float | None], spec: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return NOT_IN_LOG
    interval = mean_interval(known)
    half = interval.half_width
    return (
        f"{interval.mean:{spec}}"
        if half is None
        else f"{interval.mean:{spec}} ± {half:{spec.lstrip('+')}}"
    )


def _gain(story: RunStory) -> float | None:
    score, host = story.quality, story.host_quality
    return None if score is None or host is None else score - host


def _group_row(group: RunGroup, losses: Mapping[int, float | None]) -> tuple[str, ...]:
    stories = group.stories
    seeds = [_seed(story) for story in stories]
    shown = ", ".join(seeds[:12]) + (", ..." if len(seeds) > 12 else "")
    return (
        group.label,
        f"{len(stories)}",
        NOT_IN_LOG if set(seeds) == {NOT_IN_LOG} else shown,
        _mean([losses[id(story)] for story in stories], ".4g"),
        _mean([story.quality for story in stories], ".2f"),
        _mean([_gain(story) for story in stories], "+.2f"),
        _mean([story.num_params for story in stories], ",.0f"),
        _mean([story.num_flops for story in stories], ".3g"),
        f"{sum(story.num_rollbacks for story in stories):,}",
    )


def _seed(story: RunStory) -> str:
    seed = None if story.started is None else story.started.seed
    return NOT_IN_LOG if seed is None else str(seed)


def _settings(groups: Sequence[RunGroup], names: Sequence[str]) -> Table:
    configs = [configuration(group.stories[0]) for group in groups]
    rows = [
        (
            printable(name, MAX_NAME),
            *(printable(config.get(name, NOT_IN_LOG), 120) for config in configs),
        )
        for name in names
    ]
    return (("setting", *(f"group {number + 1}" for number in range(len(groups)))), *rows)


def _run_rows(
    stories: Sequence[RunStory], groups: Sequence[RunGroup], losses: Mapping[int, float | None]
) -> list[tuple[str, ...]]:
    places = {
        id(story): f"{number + 1}" for number, group in enumerate(groups) for story in group.stories
    }
    rows: list[tuple[str, ...]] = []
    for name, story in list(zip(name_runs(stories), stories, strict=True))[:MAX_RUNS]:
        rows.append(
            (
                name,
                places[id(story)],
                _seed(story),
                outcome_of(story)[0],
                f"{story.epochs_completed:,}" if story.has_epochs else describe_extent(story),
                show(losses[id(story)], ".4g"),
                show(story.quality, ".2f"),
                show(story.host_quality, ".2f"),
                show(story.num_params, ",d"),
                show(story.num_updates, ",d"),
                show(story.num_flops, ".3g"),
                f"{story.count_seeds(SeedStage.FOSSILIZED)}",
                f"{story.count_seeds(SeedStage.PRUNED)}",
                f"{story.num_rollbacks:,}",
            )
        )
    return rows
