"""The aims of the campaign: what growing must reach to be called worth it, and whether it did."""

from __future__ import annotations

from collections.abc import Iterator

from growth_campaign.arms import EQUAL_COST, GROWN, START, WIDER
from growth_campaign.report import Report


def aims(report: Report) -> Iterator[tuple[str, bool]]:
    """Yield each aim whose arms were run, as text with its numbers, and whether it was reached."""
    for task in report.tasks:
        arms = {arm.name for arm in report.arms(task)}
        if task == "mnist1d" and START in arms:
            # The difference says by how much grown is better.
            gap = -report.difference(task, START).low
            yield (
                f"`mnist1d`: the network from the start is at most 0.5 points better, at 95 %: {gap:+.2f}",
                gap <= 0.5,
            )
            ratio = report.mean(task, GROWN, "updates") / report.mean(task, START, "updates")
            yield f"`mnist1d`: at most 0.8 times its parameter updates: {ratio:.2f}", ratio <= 0.8
        if task == "mnist1d" and WIDER in arms:
            yield from _apart(report, task, WIDER, "the wider host of equal parameters")
        if task == "pydoc" and EQUAL_COST in arms:
            yield from _apart(report, task, EQUAL_COST, "the host of equal cost")
        if task == "digits" and WIDER in arms:
            difference = report.difference(task, WIDER)
            yield (
                "`digits`: not worse than the wider host of equal parameters, the interval of the difference reaches 0:"
                f" {difference.low:+.2f} to {difference.high:+.2f}",
                difference.high >= 0.0,
            )


def _apart(report: Report, task: str, arm: str, text: str) -> Iterator[tuple[str, bool]]:
    grown, other = report.quality(task, GROWN), report.quality(task, arm)
    is_apart = grown.high < other.low if task == "pydoc" else grown.low > other.high
    yield (
        f"`{task}`: better than {text}, intervals apart: {grown.mean:.3f} ± {grown.half_width:.3f}"
        f" against {other.mean:.3f} ± {other.half_width:.3f}",
        is_apart,
    )


def to_markdown(report: Report) -> str:
    """Return the aims as a list."""
    lines = [
        f"- {'reached' if reached else '**not reached**'}: {text}" for text, reached in aims(report)
    ]
    return "\n".join(lines)
