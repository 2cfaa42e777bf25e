"""Draws the evidence for each seed: the comparisons of the losses with and without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from esper._generated.enums import SeedStage
from esper.karn.charts.library import import_altair
from esper.karn.charts.palette import Theme, colours_of
from esper.karn.charts.rows import (
    NOT_IN_LOG,
    Row,
    SlotRow,
    Stories,
    as_runs,
    name_seed,
    slots_of,
)
from esper.karn.charts.style import data, empty, finish, lanes, width_of
from esper.karn.seed_story import SeedStory
from esper.leyline.text import pluralize

if TYPE_CHECKING:
    from altair.typing import ChartType

_MAX_SEEDS = 24
_MAX_LOOKS = 5
_KEPT, _NOT_KEPT, _OPEN = "kept", "not kept", "not decided"


def _verdict(seed: SeedStory) -> str:
    if seed.has_been(SeedStage.FOSSILIZED):
        return _KEPT
    return _NOT_KEPT if seed.has_been(SeedStage.PRUNED) else _OPEN


def _compared(slots: Sequence[SlotRow]) -> list[tuple[str, SeedStory]]:
    """Return the seeds that were compared, with their labels."""
    return [
        (f"{row.label} #{seed.number} {name_seed(seed)}", seed)
        for row in slots
        for seed in row.slot.seeds
        if seed.evidences
    ]


def draw_evidence(stories: Stories, theme: Theme) -> ChartType:
    """Return the comparisons of each seed: the change of the loss with its interval, and the price that it must beat.

    The newest comparison is the lowest in the row and the boldest; up to four earlier ones are above it.
    """
    alt = import_altair()
    runs = as_runs(stories)
    text = describe_evidence(runs)
    rows: list[Row] = []
    for label, seed in _compared(slots_of(runs))[:_MAX_SEEDS]:
        looks = seed.evidences[-_MAX_LOOKS:]
        for age, point in enumerate(reversed(looks)):
            evidence = point.evidence
            # A log that lacks a bound shows none.
            if evidence.difference is None or evidence.low is None or evidence.high is None:
                continue
            rows.append(
                {
                    "seed": label,
                    "age": age,
                    "x": -evidence.difference,
                    "low": -evidence.high,
                    "high": -evidence.low,
                    "price": None if evidence.price is None else -evidence.price,
                    "s": _verdict(seed),
                    "opacity": 1.0 if age == 0 else 0.4,
                }
            )
    if not rows:
        return empty(text, theme)
    colours = colours_of(theme)
    verdicts = [one for one in (_KEPT, _NOT_KEPT, _OPEN) if any(row["s"] == one for row in rows)]
    chosen = {_KEPT: colours["green"], _NOT_KEPT: colours["red"], _OPEN: colours["blue"]}
    labels = list(dict.fromkeys(row["seed"] for row in rows))
    y = alt.Y("seed:N", scale=alt.Scale(domain=labels, paddingInner=0.35), axis=lanes(labels))
    shift = alt.YOffset("age:O", scale=alt.Scale(domain=list(reversed(range(_MAX_LOOKS)))))
    base = alt.Chart(data(rows)).encode(
        y=y,
        yOffset=shift,
        color=alt.Color(
            "s:N",
            scale=alt.Scale(domain=verdicts, range=[chosen[one] for one in verdicts]),
            legend=alt.Legend(orient="top", offset=6, symbolType="stroke"),
        ),
        opacity=alt.Opacity("opacity:Q", scale=None),
    )
    axis = alt.Axis(
        title="change of the loss by the seed [nats]; negative: the seed helps; black bar: minus the price",
        grid=True,
        tickCount=7,
    )
    intervals = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", axis=axis), x2="high:Q")
    means = base.mark_point(filled=True, size=34).encode(x="x:Q")
    zero = alt.Chart(data([{"x": 0}])).mark_rule(color=colours["muted"]).encode(x="x:Q")
    newest = [row for row in rows if row["age"] == 0 and row["price"] is not None]
    prices = (
        alt.Chart(data(newest))
        .mark_tick(color=colours["ink"], thickness=2, size=24, orient="vertical")
        .encode(x="price:Q", y=y)
    )
    chart = alt.layer(zero, intervals, means, *([prices] if newest else []))
    return finish(chart.properties(width=width_of(labels), height=36 * len(labels)), text, theme)


def describe_evidence(stories: Stories) -> str:
    """Return the newest comparison of each seed as a sentence."""
    seeds = _compared(slots_of(as_runs(stories)))
    if not seeds:
        return f"Evidence for the seeds: {NOT_IN_LOG}."
    parts = []
    for label, seed in seeds:
        evidence: Any = seed.evidences[-1].evidence
        values = [
            NOT_IN_LOG if value is None else f"{value:+.2g}"
            for value in (
                _negative(evidence.difference),
                _negative(evidence.high),
                _negative(evidence.low),
            )
        ]
        price = NOT_IN_LOG if evidence.price is None else f"{evidence.price:.2g}"
        parts.append(
            f"{label} {values[0]} nats [{values[1]}, {values[2]}], price {price}, {_verdict(seed)}"
        )
    return (
        "Change of the loss by each seed, newest comparison with its interval: "
        f"{'; '.join(parts[:_MAX_SEEDS])}"
        + (
            f"; and {pluralize(len(parts) - _MAX_SEEDS, 'more seed')}"
            if len(parts) > _MAX_SEEDS
            else ""
        )
        + ". A seed is kept if the whole interval is below minus the price."
    )


def _negative(value: float | None) -> float | None:
    # Adding zero turns -0.0 into 0.0.
    return None if value is None else -value + 0.0
