"""The look that all charts share: fonts, thin axes, no frame, legends above, axis titles on top of the axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from esper.karn.charts.library import import_altair
from esper.karn.charts.palette import DASHES, SERIES, Theme, colours_of

if TYPE_CHECKING:
    from altair.typing import ChartType

WIDTH: Final = 636
"""Width of the plotting area of a chart, in pixels."""
MARGIN: Final = 112
"""Space for labels to the left of it, so that the charts of a page stand exactly below each other."""
_FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_SIZE = 11
_LETTER = 7
_MAX_LABEL = 260


def finish(chart: ChartType, text: str, theme: Theme) -> ChartType:
    """Return the chart with the look of a theme, and with its text alternative."""
    colours = colours_of(theme)
    finished: ChartType = (
        chart.properties(description=text, background=colours["paper"], padding=4)
        .configure(font=_FONT, concat={"spacing": 6})
        .configure_view(stroke=None)
        .configure_axis(
            domainColor=colours["grid"],
            tickColor=colours["grid"],
            gridColor=colours["grid"],
            labelColor=colours["muted"],
            titleColor=colours["muted"],
            labelFontSize=_SIZE,
            titleFontSize=_SIZE,
            titleFontWeight="normal",
            labelPadding=4,
            tickSize=4,
        )
        .configure_legend(
            direction="horizontal",
            title=None,
            labelColor=colours["ink"],
            labelFontSize=_SIZE,
            labelLimit=320,
            symbolStrokeWidth=2,
            symbolBaseFillColor=colours["ink"],
            symbolBaseStrokeColor=colours["ink"],
            columnPadding=22,
            rowPadding=4,
        )
        .configure_text(color=colours["muted"], fontSize=_SIZE)
        # Only the description is read out: a chart has hundreds of marks.
        .configure_mark(aria=False)
        .configure_title(color=colours["ink"], fontSize=_SIZE, anchor="start")
    )
    return finished


def empty(text: str, theme: Theme) -> ChartType:
    """Return a chart that has nothing to draw, and says so."""
    alt = import_altair()
    chart = (
        alt.Chart(data([{"text": text}]))
        .mark_text(align="left")
        .encode(text=alt.Text("text:N"), x=alt.value(0))
        .properties(width=WIDTH, height=24)
    )
    return finish(chart, text, theme)


def data(rows: Sequence[dict[str, Any]]) -> Any:
    """Return the rows as the data of a chart, which contains them."""
    # Altair copies lists again and again while a chart is built, tuples never.
    return import_altair().Data(values=tuple(rows))


def y_axis(title: str, **options: Any) -> Any:
    """Return the y axis with its title above it, written horizontally, and few ticks."""
    alt = import_altair()
    placed = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleX": -MARGIN}
    look = {"titleY": -12, "tickCount": 5, "domain": False, "ticks": False, "minExtent": MARGIN}
    return alt.Axis(title=title, **{**placed, **look, **options})


def lanes(labels: Sequence[str], **options: Any) -> Any:
    """Return the y axis of rows with these labels."""
    look = {"title": None, "domain": False, "ticks": False, "grid": False}
    space = {"minExtent": margin(labels), "labelLimit": _MAX_LABEL}
    return import_altair().Axis(**{**look, **space, **options})


def margin(labels: Sequence[str]) -> int:
    """Return the space for labels to the left of the plotting area, in pixels; widths of letters are estimated."""
    longest = max(map(len, labels), default=0)
    return max(MARGIN, min(_LETTER * longest, _MAX_LABEL))


def width_of(labels: Sequence[str]) -> int:
    """Return the width of the plotting area that leaves room for the labels, so that all charts have the same width."""
    return WIDTH + MARGIN - margin(labels)


def x_axis(title: str | None, **options: Any) -> Any:
    """Return the x axis; whole numbers have no decimals."""
    alt = import_altair()
    return alt.Axis(title=title, **{"grid": False, "tickMinStep": 1, "tickCount": 10, **options})


def legend(title: str, num_names: int, **options: Any) -> Any:
    """Return the legend to the right of the title of the y axis; None for a single name, which needs none."""
    if num_names < 2:
        return None
    alt = import_altair()
    place = {"orient": "none", "legendX": max(7 * len(title) - MARGIN + 14, 0), "legendY": -24}
    return alt.Legend(**{**place, "direction": "horizontal", **options})


def series_scale(names: Sequence[str], theme: Theme) -> tuple[Any, Any]:
    """Return the scales of colour and dash pattern for the curves of these names."""
    alt = import_altair()
    colours = colours_of(theme)
    chosen = [colours[SERIES[number % len(SERIES)]] for number in range(len(names))]
    dashes = [list(DASHES[number % len(DASHES)]) for number in range(len(names))]
    return alt.Scale(domain=list(names), range=chosen), alt.Scale(domain=list(names), range=dashes)
