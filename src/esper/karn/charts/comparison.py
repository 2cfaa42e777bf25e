"""Draws several runs together: curves with the mean and interval of each group, and parameters against quality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from esper.karn.charts.curves import number
from esper.karn.charts.groups import RunGroup, group_runs, mean_interval
from esper.karn.charts.library import import_altair
from esper.karn.charts.palette import SERIES, Theme, colours_of
from esper.karn.charts.rows import (
    MAX_NAME,
    NOT_IN_LOG,
    Row,
    Stories,
    as_runs,
    name_runs,
    points_of,
    with_unit,
)
from esper.karn.charts.style import WIDTH, data, empty, finish, legend, series_scale, x_axis, y_axis
from esper.karn.series import Series
from esper.karn.story import RunStory
from esper.leyline.text import join_names, pluralize, printable

if TYPE_CHECKING:
    from altair.typing import ChartType

MAX_GROUPS: Final = len(SERIES)
_HEIGHT = 190
_MAX_NAMED = 6


def draw_group_curves(
    stories: Sequence[RunStory],
    name: str,
    curves: Sequence[Series | None],
    theme: Theme,
    text: str,
) -> ChartType:
    """Return one curve of several runs: a thin line for each, and for each group of runs the mean with its interval.

    Args:
        name: name of the curve, such as `val_loss`.
        curves: that of each run; None for a run without one.
        text: the text alternative.
    """
    alt = import_altair()
    groups = group_runs(stories)[:MAX_GROUPS]
    by_run = _points_by_run(stories, curves)
    lines = list(_line_rows(groups, by_run))
    if not lines:
        return empty(text, theme)
    means = [row for group in groups for row in _mean_rows(group, by_run)]
    labels = [group.label for group in groups]
    colour, dash = series_scale(labels, theme)
    curve = next(one for one in curves if one is not None)
    title = with_unit(printable(name.replace("_", " "), MAX_NAME), curve.unit)
    places, values = [row["x"] for row in lines], [row["y"] for row in lines]
    coded = {
        "x": alt.X(
            "x:Q",
            scale=alt.Scale(domain=[min(places), max(places)], nice=False),
            axis=x_axis(curve.axis),
        ),
        "color": alt.Color("s:N", scale=colour, legend=_group_legend(labels, lines, "stroke")),
    }
    # The interval of two runs can be wider than all curves; it is cut off at the edge.
    y_scale = alt.Scale(domain=[min(values), max(values)], nice=True, zero=False)
    y = alt.Y("y:Q", scale=y_scale, axis=y_axis(title))
    dashed = {"y": y, "strokeDash": alt.StrokeDash("s:N", scale=dash, legend=None)}
    alone = {group.label for group in groups if len(group.stories) == 1}
    layers = []
    members = [row for row in lines if row["s"] not in alone]
    if members:
        thin = alt.Chart(data(members)).mark_line(strokeWidth=0.6, opacity=0.45)
        layers.append(thin.encode(y=y, detail="run:N", **coded))
    if means:
        mean = alt.Chart(data(means)).encode(**coded)
        low = alt.Y("low:Q", scale=y_scale, axis=y_axis(title))
        layers.append(mean.mark_area(opacity=0.18, clip=True).encode(y=low, y2="high:Q"))
        layers.append(mean.mark_line(strokeWidth=2.2, clip=True).encode(**dashed))
    singles = [row for row in lines if row["s"] in alone]
    if singles:
        line = alt.Chart(data(singles)).mark_line(strokeWidth=1.6)
        layers.append(line.encode(**dashed, **coded))
    return finish(alt.layer(*layers).properties(width=WIDTH, height=_HEIGHT), text, theme)


def _points_by_run(
    stories: Sequence[RunStory], curves: Sequence[Series | None]
) -> dict[int, list[tuple[int, float]]]:
    """Return the finite points of each run's curve by the id of its story."""
    return {
        id(story): [] if curve is None else list(points_of(curve))
        for story, curve in zip(stories, curves, strict=True)
    }


def _line_rows(
    groups: Sequence[RunGroup], by_run: Mapping[int, Sequence[tuple[int, float]]]
) -> Iterator[Row]:
    for group in groups:
        for member, story in enumerate(group.stories):
            for x, y in by_run[id(story)]:
                yield {"x": x, "y": y, "s": group.label, "run": member}


def _mean_rows(group: RunGroup, by_run: Mapping[int, Sequence[tuple[int, float]]]) -> Iterator[Row]:
    """Yield the mean of a group of several runs, with its interval, at each place that has a value of each run.

    Runs may log at different steps: a mean of those that happen to have a value would jump. A run counts only from its first
    to its last point.
    """
    if len(group.stories) < 2:
        return
    runs = [dict(points) for story in group.stories if (points := by_run[id(story)])]
    spans = [(min(run), max(run)) for run in runs]
    for x in sorted(set().union(*runs)):
        there = [run for run, (low, high) in zip(runs, spans, strict=True) if low <= x <= high]
        values = [run[x] for run in there if x in run]
        if len(values) == len(there):
            interval = mean_interval(values)
            ends = {"low": interval.low, "high": interval.high}
            yield {"x": x, "y": interval.mean, **ends, "s": group.label}


def _group_legend(labels: Sequence[str], rows: Sequence[Row], symbol: str) -> Any:
    """Return the legend below the chart, of the groups that `rows` has; None for a single group, which needs none."""
    if len(labels) < 2:
        return None
    drawn = {row["s"] for row in rows}
    options = {"orient": "bottom", "offset": 8, "columns": 1, "symbolType": symbol}
    return import_altair().Legend(values=[name for name in labels if name in drawn], **options)


def describe_group_curves(
    stories: Sequence[RunStory], name: str, curves: Sequence[Series | None]
) -> str:
    """Return the last value of a curve of each group of runs, with its interval, as a sentence."""
    by_run = _points_by_run(stories, curves)
    groups = group_runs(stories)
    parts = []
    for group in groups:
        last = [points[-1][1] for story in group.stories if (points := by_run[id(story)])]
        if last:
            parts.append(f"{group.label} {_describe_mean(last)}")
    num_drawn = sum(map(bool, by_run.values()))
    shown = f"{printable(name, MAX_NAME)} of {pluralize(num_drawn or len(stories), 'run')}"
    if not parts:
        return f"{shown}: {NOT_IN_LOG}."
    if num_missing := len(stories) - num_drawn:
        shown += f" ({NOT_IN_LOG} of {pluralize(num_missing, 'run')})"
    more = (
        f" Only the first {MAX_GROUPS} of {len(groups)} groups are drawn."
        if len(groups) > MAX_GROUPS
        else ""
    )
    return f"{shown}, last value: {join_names(parts, max_names=_MAX_NAMED)}.{more}"


def _describe_mean(values: Sequence[float]) -> str:
    interval = mean_interval(values)
    if interval.half_width is None:
        return number(interval.mean)
    return f"{number(interval.mean)} ± {number(interval.half_width)} ({interval.num} runs, 95 % interval)"


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points (cost, quality) that no other point beats in both, by ascending cost."""
    front: list[tuple[float, float]] = []
    for params, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or score > front[-1][1]:
            front.append((params, score))
    return front


def _finals(groups: Sequence[RunGroup], names: Mapping[int, str]) -> Iterator[Row]:
    """Yield for each run its network, and for each different host its quality alone."""
    hosts = set()
    for group in groups:
        for story in group.stories:
            score = story.quality
            if score is not None and story.num_params is not None:
                yield {
                    "x": story.num_params,
                    "flops": story.num_flops,
                    "y": score,
                    "s": group.label,
                    "kind": "grown",
                    "text": names[id(story)],
                }
            host = story.host_quality
            key = story.num_host_params, host
            if host is not None and story.num_host_params is not None and key not in hosts:
                hosts.add(key)
                yield {
                    "x": story.num_host_params,
                    "y": host,
                    "s": group.label,
                    "kind": "host alone",
                    "text": "host alone",
                }


def draw_pareto(stories: Stories, theme: Theme) -> ChartType:
    """Return parameters against quality: each run's network, its host alone, and the front that no other run beats.

    For a single run the points of its epochs are drawn too. Several runs with FLOPs in their logs get a second panel: FLOPs of
    the training against quality.
    """
    alt = import_altair()
    runs = as_runs(stories)
    text = describe_pareto(runs)
    groups = group_runs(runs)[:MAX_GROUPS]
    names = {id(story): name for story, name in zip(runs, name_runs(runs), strict=True)}
    finals = list(_finals(groups, names))
    path = list(_path(runs[0])) if len(runs) == 1 else []
    if not finals and not path:
        return empty(text, theme)
    labels = [group.label for group in groups]
    title = f"{_quality_name(runs)} [%]"
    panels = [_panel("parameters", finals, path, labels, title, theme)]
    trained = [row | {"x": row["flops"]} for row in finals if row.get("flops") is not None]
    if len(runs) > 1 and trained:
        panels.append(_panel("FLOPs of the training", trained, [], labels, title, theme))
    return finish(alt.vconcat(*panels, spacing=16) if len(panels) > 1 else panels[0], text, theme)


def _panel(
    cost: str,
    finals: Sequence[Row],
    path: Sequence[Row],
    labels: Sequence[str],
    title: str,
    theme: Theme,
) -> Any:
    """Return the points of runs with their front, over the `cost` that is the x of the rows; and the path of a run's epochs."""
    alt = import_altair()
    colours = colours_of(theme)
    colour, _ = series_scale(labels, theme)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(zero=False, padding=16),
        axis=x_axis(cost, format="~s", grid=False, tickCount=6),
    )
    y = alt.Y("y:Q", scale=alt.Scale(zero=False, padding=12), axis=y_axis(title))
    layers: list[Any] = []
    if path:
        steps = alt.Chart(data(path)).encode(x=x, y=y, order="epoch:Q")
        layers.append(steps.mark_line(color=colours["grey"], strokeWidth=1))
        layers.append(steps.mark_point(filled=True, size=12, color=colours["grey"]))
    front = pareto_front([(row["x"], row["y"]) for row in finals])
    if len(front) > 1 and sum(row["kind"] == "grown" for row in finals) > 1:
        edge = alt.Chart(data([{"x": px, "y": py} for px, py in front]))
        layers.append(
            edge.mark_line(
                interpolate="step-after", color=colours["muted"], strokeDash=[3, 3]
            ).encode(x=x, y=y, order="x:Q")
        )
    if finals:
        shapes = alt.Scale(domain=["grown", "host alone"], range=["circle", "diamond"])
        shown = _group_legend(labels, finals, "circle")
        points = alt.Chart(data(finals)).mark_point(aria=True, filled=True, size=70, opacity=0.9)
        layers.append(
            points.encode(
                x=x,
                y=y,
                color=alt.Color("s:N", scale=colour, legend=shown),
                shape=alt.Shape("kind:N", scale=shapes, legend=legend(title, 2)),
                description=alt.Text("text:N"),
            )
        )
    return alt.layer(*layers).properties(width=WIDTH, height=_HEIGHT)


def _path(story: RunStory) -> Iterator[Row]:
    """Yield parameters and validation accuracy of each epoch, unless the scores of the run are those of the test samples."""
    if story.test_accuracy is not None:
        return
    for event in story.epochs:
        params, score = event.payload.num_params, event.payload.val_accuracy
        if params is not None and score is not None:
            yield {"x": params, "y": score, "epoch": event.epoch or 0}


def _quality_name(runs: Sequence[RunStory]) -> str:
    kinds = {"test" if story.test_accuracy is not None else "validation" for story in runs}
    metrics = list(dict.fromkeys(printable(story.metric, MAX_NAME) for story in runs))
    return f"{' or '.join(sorted(kinds))} {' or '.join(metrics[:2])}"


def describe_pareto(stories: Stories) -> str:
    """Return parameters and quality of the runs as a sentence; of several runs, those of the front."""
    runs = as_runs(stories)
    names = name_runs(runs)
    known: list[tuple[int, float, str]] = []
    for name, story in zip(names, runs, strict=True):
        score = story.quality
        if story.num_params is not None and score is not None:
            known.append((story.num_params, score, name))
    if not known:
        return f"Parameters against quality: {NOT_IN_LOG}."
    if len(runs) == 1:
        params, score, _ = known[0]
        story = runs[0]
        host = story.host_quality
        alone = NOT_IN_LOG if host is None else f"{host:.2f} %"
        flops = "" if story.num_flops is None else f" FLOPs of the training: {story.num_flops:.3g}."
        size = NOT_IN_LOG if story.num_host_params is None else f"{story.num_host_params:,}"
        return (
            f"Parameters against quality: grown network {params:,} parameters, {_quality_name(runs)} {score:.2f} %;"
            f" host alone {size} parameters, {alone}.{flops}"
        )
    front = set(pareto_front([(params, score) for params, score, _ in known]))
    best = [
        f"{name} ({params:,} parameters, {score:.2f} %)"
        for params, score, name in sorted(known)
        if (params, score) in front
    ]
    return (
        f"Parameters against quality of {pluralize(len(known), 'run')}; no other run is both smaller and better than: "
        f"{join_names(best, max_names=_MAX_NAMED)}.{_describe_flops(runs, names)}"
    )


def _describe_flops(runs: Sequence[RunStory], names: Sequence[str]) -> str:
    """Return the runs that no other one beats in FLOPs and quality, as a sentence; an empty text if no log has FLOPs."""
    known = [
        (story.num_flops, score, name)
        for name, story in zip(names, runs, strict=True)
        if story.num_flops is not None and (score := story.quality) is not None
    ]
    front = set(pareto_front([(flops, score) for flops, score, _ in known]))
    best = [
        f"{name} ({flops:.3g} FLOPs, {score:.2f} %)"
        for flops, score, name in sorted(known)
        if (flops, score) in front
    ]
    if not best:
        return ""
    return f" No other run took fewer FLOPs and is better than: {join_names(best, max_names=_MAX_NAMED)}."
