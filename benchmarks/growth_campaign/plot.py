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

PANEL_WIDTH: Final = 420
PANEL_HEIGHT: Final = 320
LEFT: Final = 64
TOP: Final = 40
RIGHT: Final = 24
BOTTOM: Final = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An arm in the plane of cost and quality."""

    arm: str
    cost: float
    quality: float
    half_width: float


def draw(report: Report) -> str:
    """Return the plot of all tasks, beside each other."""
    panels = [_panel(report, task, index * PANEL_WIDTH) for index, task in enumerate(report.tasks)]
    width = PANEL_WIDTH * len(panels)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{PANEL_HEIGHT}"'
            f' viewBox="0 0 {width} {PANEL_HEIGHT}">',
            "<style>text{font:12px ui-sans-serif,sans-serif;fill:#1f2937}.title{font-weight:bold}",
            ".axis{stroke:#94a3b8}.bar{stroke:#6366f1}circle{fill:#6366f1}.grown{fill:#dc2626}",
            ".front{fill:none;stroke:#94a3b8;stroke-dasharray:4 3}</style>",
            f'<rect width="{width}" height="{PANEL_HEIGHT}" style="fill:#fff"/>',
            *panels,
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


def _panel(report: Report, task: str, offset: float) -> str:
    points = [
        Point(
            arm=arm.name,
            cost=report.mean(task, arm.name, "flops"),
            quality=(quality := report.quality(task, arm.name)).mean,
            half_width=quality.half_width if math.isfinite(quality.half_width) else 0.0,
        )
        for arm in report.arms(task)
    ]
    lower_is_better = is_text(task)
    costs = [math.log(point.cost) for point in points]
    lows = [point.quality - point.half_width for point in points]
    highs = [point.quality + point.half_width for point in points]
    x_range, y_range = _padded(min(costs), max(costs)), _padded(min(lows), max(highs))

    def x(cost: float) -> float:
        low, high = x_range
        return LEFT + (math.log(cost) - low) / (high - low) * (PANEL_WIDTH - LEFT - RIGHT)

    def y(quality: float) -> float:
        low, high = y_range
        share = (quality - low) / (high - low)
        # The better end is above.
        share = share if lower_is_better else 1.0 - share
        return TOP + share * (PANEL_HEIGHT - TOP - BOTTOM)

    name = "bits per byte" if lower_is_better else "accuracy, %"
    bottom = PANEL_HEIGHT - BOTTOM
    shapes = [
        f'<text class="title" x="{LEFT}" y="20">{escape(task)}: {name}, {report.split} split</text>',
        f'<path class="axis" fill="none" d="M{LEFT} {TOP} V{bottom} H{PANEL_WIDTH - RIGHT}"/>',
        f'<text x="{PANEL_WIDTH - RIGHT}" y="{PANEL_HEIGHT - 12}" text-anchor="end">training, GFLOPs (log)</text>',
    ]
    for value in (min(lows), max(highs)):
        shapes.append(
            f'<text x="{LEFT - 6}" y="{y(value) + 4:.0f}" text-anchor="end">{value:.4g}</text>'
        )
    for cost in (math.exp(min(costs)), math.exp(max(costs))):
        shapes.append(
            f'<text x="{x(cost):.0f}" y="{bottom + 18}" text-anchor="middle">{cost / 1e9:,.3g}</text>'
        )
    line = " L".join(
        f"{x(p.cost):.0f} {y(p.quality):.0f}"
        for p in front(points, lower_is_better=lower_is_better)
    )
    shapes.append(f'<path class="front" d="M{line}"/>')
    for point in points:
        at = x(point.cost), y(point.quality)
        top, foot = y(point.quality + point.half_width), y(point.quality - point.half_width)
        kind = ' class="grown"' if point.arm == GROWN else ""
        shapes += [
            f'<path class="bar" d="M{at[0]:.0f} {top:.0f} V{foot:.0f}"/>',
            f'<circle{kind} cx="{at[0]:.0f}" cy="{at[1]:.0f}" r="4"/>',
            f'<text x="{at[0] + 7:.0f}" y="{at[1] - 5:.0f}">{escape(point.arm.replace("_", " "))}</text>',
        ]
    return f'<g transform="translate({offset} 0)">\n' + "\n".join(shapes) + "\n</g>"


def _padded(low: float, high: float) -> tuple[float, float]:
    """Return the range with a tenth of it added at each end."""
    margin = (high - low) / 10 or 1.0
    return low - margin, high + margin
