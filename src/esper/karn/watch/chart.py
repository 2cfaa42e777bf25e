"""The chart of losses and other curves, with marks where seeds changed and the governor acted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, log10
from typing import Final, final

from rich.text import Text
from textual.app import RenderResult
from textual_plotext import PlotextPlot

from esper._generated.enums import SeedStage
from esper.karn.series import Axis, Series
from esper.karn.story import RunStory
from esper.leyline.text import printable

CURVE_COLORS: Final = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167))
"""Red, green and blue of curves; from the palette of Okabe and Ito, which people with any colour vision tell apart."""
_MARK_STYLES: Final = {"red+": "red", "orange+": "yellow", "green+": "green", "default": ""}
"""Styles of marks in the title, by their color in the chart."""
_MAX_CURVES = 4
_MAX_VALUE = 1e15
"""Values beyond this would leave nothing to see of the others."""
_MAX_TITLE = 30
_LOG_RATIO = 50
"""A highest value this many times above the median hides everything else in a linear chart, such as a spike of the loss."""
_PLAIN_MARKERS = ("braille", ".", "+", "x")
"""Markers that tell curves apart without colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPage:
    """Curves that are drawn together."""

    name: str
    curves: tuple[Series, ...]

    @property
    def axis(self) -> Axis:
        """Meaning of x."""
        return self.curves[0].axis


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartMark:
    """A letter at the top of the chart."""

    epoch: int
    letter: str
    color: str
    meaning: str

    @property
    def is_of_governor(self) -> bool:
        """Whether it is in the row of the governor, above that of the seeds."""
        return self.letter in "R!·"


def make_pages(story: RunStory) -> list[ChartPage]:
    """Return the pages of the chart: losses, accuracies, learning rate, parameters, then each logged metric."""
    pages = [
        _page("loss", story.losses, "train_loss", "val_loss"),
        _page("accuracy", story.metric_series, "train_accuracy", "val_accuracy"),
        _page("learning rate", story.learning_rates, "learning_rate"),
        _page("parameters", story.epoch_values, "num_params"),
        _page("gradient norm of the host", story.epoch_values, "host_grad_norm"),
    ]
    known = {id(curve) for page in pages for curve in page.curves}
    for curves in (story.losses, story.metric_series):
        for name, curve in curves.items():
            if id(curve) not in known and curve.y:
                pages.append(ChartPage(name=printable(name, _MAX_TITLE), curves=(curve,)))
    return [page for page in pages if page.curves]


def find_marks(story: RunStory) -> list[ChartMark]:
    """Return the marks, the most important first: rollbacks, alarms, fossilized and pruned seeds, stages, snapshots."""
    return [
        *(_mark(event.epoch, "R", "red+", "rollback") for event in story.rollbacks),
        *(_mark(event.epoch, "!", "orange+", "alarm") for event in story.panics),
        *_seed_marks(story, SeedStage.FOSSILIZED, "F", "green+", "fossilized"),
        *_seed_marks(story, SeedStage.PRUNED, "x", "red+", "pruned"),
        *_seed_marks(story, SeedStage.GERMINATED, "g", "default", "germinated"),
        *_seed_marks(story, SeedStage.TRAINING, "t", "default", "training"),
        *_seed_marks(story, SeedStage.BLENDING, "b", "default", "blending"),
        *_seed_marks(story, SeedStage.HOLDING, "h", "default", "holding"),
        *(_mark(event.epoch, "·", "default", "snapshot") for event in story.governor.snapshots),
    ]


@final
class CurveChart(PlotextPlot, can_focus=True):
    """A chart of one page, drawn with characters.

    Attributes:
        is_log: whether it is logarithmic.
    """

    def __init__(self, *, widget_id: str) -> None:
        """Start without curves."""
        super().__init__(id=widget_id)
        self._page: ChartPage | None = None
        self._marks: list[ChartMark] = []
        self.is_log = False

    def show(self, page: ChartPage | None, marks: list[ChartMark], *, is_log: bool | None) -> None:
        """Draw a page; None if there is nothing to draw.

        With an `is_log` of None the chart is logarithmic if it would show nothing otherwise but its highest value.
        """
        self._page, self._marks = page, marks
        self.is_log = _needs_log(page) if is_log is None else is_log
        self.refresh()

    def render(self) -> RenderResult:
        """Return the chart, with as many ticks and marks as its size has room for."""
        self._plot_page()
        return super().render()

    def draw_title(self) -> Text:
        """Return the name of the page and its curves in their colours, and the meaning of the marks."""
        page = self._page
        if page is None:
            return Text("loss: not in the log yet")
        title = Text(page.name, "bold")
        for curve, color in zip(page.curves, CURVE_COLORS, strict=False):
            if curve.name != page.name:
                title.append(" ━ ", f"rgb{color}".replace(" ", "")).append(
                    printable(curve.name, _MAX_TITLE)
                )
        unit = page.curves[0].unit
        title.append(f" ({unit})" if unit else "").append(f" by {page.axis}", "dim")
        if self.is_log:
            title.append(", logarithmic", "dim")
        if hidden := sum(1 for curve in page.curves for y in curve.y if not self._is_drawn(y)):
            title.append(f", {hidden:,} not finite or too large", "yellow")
        for mark in {mark.letter: mark for mark in self._placed_marks(self._x_range())}.values():
            title.append(f"  {mark.letter}", f"bold {_MARK_STYLES[mark.color]}").append(
                f" {mark.meaning}", "dim"
            )
        return title

    def _is_drawn(self, y: float | None) -> bool:
        return (
            y is not None and isfinite(y) and abs(y) < _MAX_VALUE and not (self.is_log and y <= 0)
        )

    def _plot_page(self) -> None:
        self.plt.clear_figure()
        self.plt.xaxes(True, False)
        self.plt.yaxes(True, False)
        page = self._page
        if page is None or self.size.width < 4:
            return
        heights: list[float] = []
        for index, curve in enumerate(page.curves):
            color = CURVE_COLORS[index]
            marker = _PLAIN_MARKERS[index] if self.app.no_color else "braille"
            for xs, ys in self._stretches(curve):
                heights += ys
                self.plt.plot(xs, ys, color=color, marker=marker)
        if not heights:
            return
        low, high = min(heights), max(heights)
        span = (high - low) or abs(high) or 1.0
        left, right = self._x_range()
        marks = list(self._placed_marks((left, right)))
        top = high + (0.25 if marks else 0.02) * span
        for mark in marks:
            y = top if mark.is_of_governor else high + 0.12 * span
            self.plt.scatter([mark.epoch], [y], marker=mark.letter, color=mark.color)
        self.plt.xlim(left, right if right > left else left + 1)
        self.plt.ylim(low - 0.02 * span, top)
        ticks = _ticks(left, right)
        self.plt.xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        num_ticks = max(2, min(5, self.size.height // 3))
        places = [low + (high - low) * index / (num_ticks - 1) for index in range(num_ticks)]
        self.plt.yticks(places, [f"{10**y if self.is_log else y:.3g}" for y in places])

    def _stretches(self, curve: Series) -> Iterator[tuple[list[int], list[float]]]:
        """Yield the parts of a curve between values that cannot be drawn."""
        xs: list[int] = []
        ys: list[float] = []
        for x, y in zip(curve.x, curve.y, strict=True):
            if y is not None and self._is_drawn(y):
                xs.append(x)
                ys.append(log10(y) if self.is_log else y)
            elif xs:
                yield xs, ys
                xs, ys = [], []
        if xs:
            yield xs, ys

    def _x_range(self) -> tuple[int, int]:
        xs = [x for curve in self._page.curves for x in curve.x] if self._page is not None else []
        return (min(xs), max(xs)) if xs else (0, 0)

    def _placed_marks(self, x_range: tuple[int, int]) -> Iterator[ChartMark]:
        """Yield the marks that have a place: of several in one column the most important one."""
        if self._page is None or self._page.axis != "epoch":
            return
        left, right = x_range
        num_columns = max(1, self.size.width - 8)
        taken: set[tuple[bool, int]] = set()
        for mark in self._marks:
            column = (mark.epoch - left) * num_columns // max(1, right - left)
            place = mark.is_of_governor, column
            if left <= mark.epoch <= right and place not in taken:
                taken.add(place)
                yield mark


def _needs_log(page: ChartPage | None) -> bool:
    """Return whether a logarithmic chart shows more: all values are positive and the highest is far above the median."""
    curves = () if page is None else page.curves
    heights = sorted(y for curve in curves for y in curve.y if y is not None and y < _MAX_VALUE)
    if not heights or heights[0] <= 0:
        return False
    return heights[-1] > _LOG_RATIO * heights[len(heights) // 2]


def _page(name: str, curves: Mapping[str, Series], *names: str) -> ChartPage:
    found = tuple(curves[one] for one in names if one in curves and curves[one].y)
    return ChartPage(name=name, curves=found[:_MAX_CURVES])


def _mark(epoch: int | None, letter: str, color: str, meaning: str) -> ChartMark:
    return ChartMark(epoch=epoch or 0, letter=letter, color=color, meaning=meaning)


def _seed_marks(
    story: RunStory, stage: SeedStage, letter: str, color: str, meaning: str
) -> Iterator[ChartMark]:
    for slot in story.slots:
        for step in slot.steps:
            if step.stage is stage:
                yield _mark(step.epoch, letter, color, meaning)


def _ticks(left: int, right: int) -> list[float]:
    """Return at most seven round numbers between two."""
    step = next(
        factor * 10**power
        for power in range(20)
        for factor in (1, 2, 5)
        if (right - left) <= 6 * factor * 10**power
    )
    first = -(-left // step) * step
    return list(range(first, right + 1, step)) or [left]
