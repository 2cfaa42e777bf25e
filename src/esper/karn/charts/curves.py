"""Draws curves of a run over epochs or steps, with a strip below them that marks what happened when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from esper.karn.charts.library import import_altair
from esper.karn.charts.palette import SERIES, Theme, colours_of
from esper.karn.charts.rows import (
    MAX_NAME,
    NOT_IN_LOG,
    Row,
    event_marks,
    points_of,
    short_unit,
    with_unit,
)
from esper.karn.charts.style import (
    WIDTH,
    data,
    empty,
    finish,
    lanes,
    legend,
    series_scale,
    x_axis,
    y_axis,
)
from esper.karn.series import Axis, Series
from esper.karn.story import RunStory
from esper.leyline.text import pluralize, printable

if TYPE_CHECKING:
    from altair.typing import ChartType

MAX_CURVES: Final = len(SERIES)
"""Curves in one panel; of more, the first are drawn."""
MAX_PANELS: Final = 6
_HEIGHT = 190
_SMALL_HEIGHT = 80
"""Height of the panels below the first."""
_LANE = 14
_AXES: Final[tuple[Axis, ...]] = ("epoch", "step", "time")
_SYSTEM_TITLES: Final = {
    "percent": "utilization",
    "bytes": "memory and disk",
    "celsius": "temperature",
}
_GIB = 1 << 30
_MAX_SECONDS_NS = 180e9
"""Longest time axis in seconds; a longer one is in minutes."""
_BAR = "M-0.12,-0.8H0.12V0.8H-0.12Z"
# A shape and a colour for each kind of event in the strip.
_SIGNS: Final = {
    "stage change": ("diamond", "blue"),
    "rejuvenation": ("square", "orange"),
    "snapshot": (_BAR, "muted"),
    "suspicion cleared": ("circle", "green"),
    "rollback": ("cross", "red"),
    "NaN or infinite": ("triangle-down", "purple"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Curves that share their axes."""

    title: str
    """Title of the y axis, with the unit."""
    axis: Axis
    curves: tuple[tuple[str, Series], ...]
    """Each with its name among the curves of the run."""


def make_panels(series: Mapping[str, Series]) -> tuple[Panel, ...]:
    """Group curves into panels: those of one axis and one quantity share a panel, as do train and validation."""
    grouped: dict[tuple[Axis, str], list[tuple[str, Series]]] = {}
    for name, curve in series.items():
        grouped.setdefault((curve.axis, _quantity(curve)), []).append((name, curve))
    panels = []
    for (axis, quantity), curves in sorted(
        grouped.items(), key=lambda item: _AXES.index(item[0][0])
    ):
        # A unit that not all curves of the panel have would be a claim about the others.
        units = {curve.unit for _, curve in curves}
        title = printable(quantity.replace("_", " "), MAX_NAME)
        panels.append(
            Panel(
                title=with_unit(title, units.pop() if len(units) == 1 else None),
                axis=axis,
                curves=tuple(curves[:MAX_CURVES]),
            )
        )
    return tuple(panels)


def _quantity(curve: Series) -> str:
    """Return the quantity that a curve shows, such as `loss` for train_loss and val_loss."""
    if "loss" in curve.name:
        return "loss"
    if curve.event == "SYSTEM_SAMPLED":
        return curve.name if curve.unit is None else _SYSTEM_TITLES.get(curve.unit, curve.unit)
    return curve.name.removeprefix("train_").removeprefix("val_")


def draw_curves(
    story: RunStory,
    series: Mapping[str, Series],
    *,
    text: str,
    theme: Theme,
    height: int = _HEIGHT,
    has_strip: bool = True,
) -> ChartType:
    """Return the panels of `series`, one below the other, each with its strip of events.

    Args:
        text: the text alternative, which is shown instead if there is no curve.
        height: of a panel, in pixels.
        has_strip: whether to mark stage changes, snapshots, cleared suspicions and rollbacks.
    """
    alt = import_altair()
    panels = [
        panel
        for panel in make_panels(series)
        if any(True for _, curve in panel.curves for _ in points_of(curve))
    ]
    if not panels:
        return empty(text, theme)
    shown = panels[:MAX_PANELS]
    drawn: list[Any] = []
    for number, panel in enumerate(shown):
        marks = (
            event_marks(story, panel.axis, [curve for _, curve in panel.curves])
            if has_strip
            else []
        )
        # Panels that share their axis share the strip, which is below the last of them.
        is_last = all(later.axis != panel.axis for later in shown[number + 1 :])
        drawn += _draw_panel(
            panel,
            marks,
            theme,
            height if number == 0 else _SMALL_HEIGHT,
            last_epoch=story.last_epoch,
            is_last=is_last,
        )
    chart = alt.vconcat(*drawn).resolve_scale(color="independent", strokeDash="independent")
    return finish(chart, text, theme)


def _draw_panel(
    panel: Panel,
    marks: Sequence[Row],
    theme: Theme,
    height: int,
    *,
    last_epoch: int,
    is_last: bool,
) -> list[Any]:
    alt = import_altair()
    colours = colours_of(theme)
    rows, title = _panel_rows(panel)
    names = list(dict.fromkeys(printable(key, MAX_NAME) for key, _ in panel.curves))
    low, high = min(row["x"] for row in rows), max(row["x"] for row in rows)
    if panel.axis == "epoch":
        # As in the timeline of the slots, in which the last epoch has a width.
        low, high = min(low, 1), max(high, last_epoch) + 1
    # One point alone still needs an axis of some width.
    domain = [low, high] if high > low else [low - 0.5, high + 0.5]
    marks = [mark for mark in marks if domain[0] <= mark["x"] <= domain[1]]
    x_scale = alt.Scale(domain=domain, nice=False)
    colour, dash = series_scale(names, theme)
    has_strip = bool(marks) and is_last
    base = alt.Chart(data(rows)).encode(
        x=alt.X(
            "x:Q",
            scale=x_scale,
            axis=x_axis(
                None if has_strip or not is_last else title, labels=is_last and not has_strip
            ),
        ),
        y=alt.Y("y:Q", scale=_y_scale(rows), axis=y_axis(panel.title, **_y_format(rows))),
        color=alt.Color("s:N", scale=colour, legend=legend(panel.title, len(names))),
    )
    lines = base.mark_line(strokeWidth=1.6, strokeJoin="round").encode(
        strokeDash=alt.StrokeDash("s:N", scale=dash, legend=legend(panel.title, len(names))),
        detail="part:N",
    )
    layers = [lines]
    if len(rows) <= 3 * len(names):
        layers.append(base.mark_point(filled=True, size=30))
    rollbacks = [mark for mark in marks if mark["kind"] == "rollback"]
    if rollbacks:
        rule = alt.Chart(data(rollbacks)).mark_rule(color=colours["red"], opacity=0.55)
        layers.insert(0, rule.encode(x=alt.X("x:Q", scale=x_scale)))
    drawn = [alt.layer(*layers).properties(width=WIDTH, height=height)]
    if has_strip:
        drawn.append(_draw_strip(marks, x_scale, title, theme))
    return drawn


def _panel_rows(panel: Panel) -> tuple[list[Row], str]:
    """Return the finite points of the curves, and the title of the x axis; times are since the first sample."""
    start = min((curve.x[0] for _, curve in panel.curves if curve.x), default=0)
    end = max((curve.x[-1] for _, curve in panel.curves if curve.x), default=0)
    unit_ns, time_unit = (60e9, "minutes") if end - start > _MAX_SECONDS_NS else (1e9, "seconds")
    is_time = panel.axis == "time"
    rows: list[Row] = []
    for key, curve in panel.curves:
        name = printable(key, MAX_NAME)
        factor = 1 / _GIB if curve.unit == "bytes" else 1.0
        part, latest = 0, None
        for x, y in points_of(curve):
            # Where a run was resumed, x goes back; a line there would be a lie.
            part += latest is not None and x < latest
            latest = x
            place = (x - start) / unit_ns if is_time else x
            rows.append({"x": place, "y": y * factor, "s": name, "part": part})
    return rows, f"{time_unit} since the first sample" if is_time else panel.axis


def _y_scale(rows: Sequence[Row]) -> Any:
    """Return the scale of the y axis; that of a constant has some height, without which its tick would be rounded to 0."""
    alt = import_altair()
    low, high = min(row["y"] for row in rows), max(row["y"] for row in rows)
    if low == high:
        half = abs(low) / 2 or 0.5
        return alt.Scale(zero=False, nice=False, domain=[low - half, high + half])
    return alt.Scale(zero=False)


def _y_format(rows: Sequence[Row]) -> dict[str, str]:
    """Return the format of the ticks: 2e-9 where all decimals would not fit beside the axis."""
    return {"format": "~g"} if 0 < max(abs(row["y"]) for row in rows) < 1e-3 else {}


def _draw_strip(marks: Sequence[Row], x_scale: Any, title: str, theme: Theme) -> Any:
    """Return the strip of events: a row for each kind that occurs."""
    alt = import_altair()
    colours = colours_of(theme)
    kinds = [kind for kind in _SIGNS if any(mark["kind"] == kind for mark in marks)]
    # All kinds, as the panels of a chart share these scales, and not every kind occurs in each.
    shapes = [shape for shape, _ in _SIGNS.values()]
    chosen = [colours[name] for _, name in _SIGNS.values()]  # type: ignore[index] # names of colours
    of_kind = {"domain": list(_SIGNS)}
    return (
        alt.Chart(data(marks))
        .mark_point(aria=True, size=36, filled=True, strokeWidth=1.5, opacity=0.9)
        .encode(
            x=alt.X("x:Q", scale=x_scale, axis=x_axis(title)),
            y=alt.Y("kind:N", scale=alt.Scale(domain=kinds), axis=lanes(kinds, grid=True)),
            shape=alt.Shape("kind:N", scale=alt.Scale(**of_kind, range=shapes), legend=None),
            color=alt.Color("kind:N", scale=alt.Scale(**of_kind, range=chosen), legend=None),
            description=alt.Text("text:N"),
        )
        .properties(width=WIDTH, height=_LANE * len(kinds))
    )


def describe_curves(series: Mapping[str, Series], what: str) -> str:
    """Return first, last, lowest and highest value of each curve as a sentence; `what` names them if there is none."""
    parts = []
    for panel in make_panels(series):
        for key, curve in panel.curves:
            if curve.low is None or curve.high is None:
                continue
            factor = 1 / _GIB if curve.unit == "bytes" else 1.0
            finite = [y * factor for _, y in points_of(curve)]
            unit = "" if curve.unit is None else " " + short_unit(curve.unit)
            text = (
                f"{printable(key, MAX_NAME)} from {number(finite[0])} to {number(finite[-1])}{unit}"
            )
            text += f" (lowest {number(curve.low * factor)}, highest {number(curve.high * factor)}"
            if curve.num_nonfinite:
                text += f", {pluralize(curve.num_nonfinite, 'value')} NaN or infinite"
            text += ")"
            parts.append(text)
    if not parts:
        return f"{what}: {NOT_IN_LOG}."
    shown = parts[: 2 * MAX_PANELS]
    more = (
        f"; and {pluralize(len(parts) - len(shown), 'more curve')}"
        if len(parts) > len(shown)
        else ""
    )
    return f"{what}: {'; '.join(shown)}{more}."


def number(value: float) -> str:
    """Return a number with four significant digits."""
    return f"{value:,.0f}" if abs(value) >= 10_000 and value == round(value) else f"{value:.4g}"
