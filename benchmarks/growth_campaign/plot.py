"""Draws quality over the cost of training as SVG, one panel for each task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from growth_campaign.arms import GROWN
from growth_campaign.report import Report
from growth_campaign.trial import is_text

PANEL_WIDTH: Final = 480
PANEL_HEIGHT: Final = 320
LEFT: Final = 64
"""Where the plot of a panel begins."""
LABELS: Final = 350
"""Where the names of the arms stand, right of the plot."""
TOP: Final = 40
BOTTOM: Final = 52
LABEL_HEIGHT: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An arm in the plane of cost and quality."""

    arm: str
    cost: float
    quality: float
    half_width: float


def draw(report: Report) -> str:
    """Return the plot of all tasks, beside each other."""
    width = PANEL_WIDTH * len(report.tasks)
    shapes = []
    for index, task in enumerate(report.tasks):
        unit = "bits per byte" if is_text(task) else "accuracy, %"
        panel = _Panel(_points(report, task), lower_is_better=is_text(task))
        shapes += [
            f'<g transform="translate({index * PANEL_WIDTH} 0)">',
            *panel.draw(f"{task}: {unit}, {report.split} split"),
            "</g>",
        ]
    size = f'width="{width}" height="{PANEL_HEIGHT}" viewBox="0 0 {width} {PANEL_HEIGHT}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            "<style>text{font:12px ui-sans-serif,sans-serif;fill:#1f2937}.title{font-weight:bold}",
            "path{fill:none;stroke:#94a3b8}.bar{stroke:#6366f1}circle{fill:#6366f1}.grown{fill:#dc2626}",
            ".lead{stroke:#e2e8f0}.front{stroke-dasharray:4 3}</style>",
            f'<rect width="{width}" height="{PANEL_HEIGHT}" style="fill:#fff"/>',
            *shapes,
            "</svg>\n",
        ]
    )


def front(points: Sequence[Point], *, lower_is_better: bool) -> list[Point]:
    """Return the points that no other beats in cost and quality at once, by cost."""
    best = math.inf
    kept = []
    for point in sorted(points, key=lambda one: one.cost):
        value = point.quality if lower_is_better else -point.quality
        if value < best:
            best = value
            kept.append(point)
    return kept


def _points(report: Report, task: str) -> list[Point]:
    """Return the arms of `task`; the interval of a single seed is not drawn."""
    points = []
    for arm in report.arms(task):
        quality = report.quality(task, arm.name)
        points.append(
            Point(
                arm=arm.name,
                cost=report.mean(task, arm.name, "flops"),
                quality=quality.mean,
                half_width=quality.half_width if math.isfinite(quality.half_width) else 0.0,
            )
        )
    return points


class _Panel:
    """The plot of one task: cost from left to right, on a logarithmic scale, and the better quality above."""

    def __init__(self, points: Sequence[Point], *, lower_is_better: bool) -> None:
        """Choose the scales so that all `points` and their intervals fit."""
        self._points = points
        self._lower_is_better = lower_is_better
        self._costs = [point.cost for point in points]
        self._lows = [point.quality - point.half_width for point in points]
        self._highs = [point.quality + point.half_width for point in points]
        self._x_range = _padded(math.log(min(self._costs)), math.log(max(self._costs)))
        self._y_range = _padded(min(self._lows), max(self._highs))

    def draw(self, title: str) -> list[str]:
        """Return the shapes of the panel."""
        return [*self._axes(title), self._front(), *self._marks(), *self._labels()]

    def _x(self, cost: float) -> float:
        low, high = self._x_range
        return LEFT + (math.log(cost) - low) / (high - low) * (LABELS - 16 - LEFT)

    def _y(self, quality: float) -> float:
        low, high = self._y_range
        share = (quality - low) / (high - low)
        share = share if self._lower_is_better else 1.0 - share
        return TOP + share * (PANEL_HEIGHT - TOP - BOTTOM)

    def _axes(self, title: str) -> list[str]:
        bottom, right = PANEL_HEIGHT - BOTTOM, LABELS - 16
        return [
            f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
            f'<path class="axis" d="M{LEFT} {TOP} V{bottom} H{right}"/>',
            f'<text x="{right}" y="{PANEL_HEIGHT - 12}" text-anchor="end">training, GFLOPs (log)</text>',
            *(
                f'<text x="{LEFT - 6}" y="{self._y(value) + 4:.0f}" text-anchor="end">{value:.4g}</text>'
                for value in (min(self._lows), max(self._highs))
            ),
            *(
                f'<text x="{self._x(cost):.0f}" y="{bottom + 18}" text-anchor="middle">{_short(cost / 1e9)}</text>'
                for cost in (min(self._costs), max(self._costs))
            ),
        ]

    def _front(self) -> str:
        best = front(self._points, lower_is_better=self._lower_is_better)
        line = " L".join(f"{self._x(p.cost):.0f} {self._y(p.quality):.0f}" for p in best)
        return f'<path class="front" d="M{line}"/>'

    def _marks(self) -> list[str]:
        shapes = []
        for point in self._points:
            x, y = self._x(point.cost), self._y(point.quality)
            ends = sorted(self._y(point.quality + sign * point.half_width) for sign in (-1.0, 1.0))
            kind = ' class="grown"' if point.arm == GROWN else ""
            shapes += [
                f'<path class="bar" d="M{x:.0f} {ends[0]:.0f} V{ends[1]:.0f}"/>',
                f'<circle{kind} cx="{x:.0f}" cy="{y:.0f}" r="4"/>',
            ]
        return shapes

    def _labels(self) -> list[str]:
        """Return the names of the arms in a column, in the order of their quality, with a line to each point."""
        shapes = []
        free = TOP
        for point in sorted(self._points, key=lambda one: self._y(one.quality)):
            x, y = self._x(point.cost), self._y(point.quality)
            free = max(free, round(y))
            name = escape(point.arm.replace("_", " "))
            shapes += [
                f'<path class="lead" d="M{x + 6:.0f} {y:.0f} L{LABELS - 4} {free}"/>',
                f'<text x="{LABELS}" y="{free + 4}">{name}</text>',
            ]
            free += LABEL_HEIGHT
        return shapes


def _padded(low: float, high: float) -> tuple[float, float]:
    """Return the range with a tenth of it added at each end."""
    margin = (high - low) / 10 or 1.0
    return low - margin, high + margin


def _short(value: float) -> str:
    """Return a positive number with about three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
