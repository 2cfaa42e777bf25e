"""Draws slots and their seeds: the stages over the epochs, amplitudes, and gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from esper._generated.enums import SeedStage
from esper.karn.charts.library import import_altair
from esper.karn.charts.palette import SERIES, STAGES, Theme, colours_of
from esper.karn.charts.rows import (
    NOT_IN_LOG,
    STAGE_WORDS,
    Row,
    SlotRow,
    Stories,
    as_runs,
    name_seed,
    points_of,
    slots_of,
)
from esper.karn.charts.style import (
    WIDTH,
    data,
    empty,
    finish,
    lanes,
    legend,
    width_of,
    x_axis,
    y_axis,
)
from esper.karn.seed_story import SeedStory
from esper.karn.series import Series
from esper.karn.story import RunStory
from esper.leyline.text import join_names, pluralize

if TYPE_CHECKING:
    from altair.typing import ChartType

MAX_SLOTS: Final = 40
"""Slots in the timeline; of more, the first are drawn."""
MAX_COMPARED: Final = 24
"""Slots in the timeline of several runs."""
_MAX_STRIPS = 8
_LANE = 20
_STRIP = 30
_STAR = "M0,-1L0.24,-0.32L0.95,-0.31L0.38,0.12L0.59,0.81L0,0.4L-0.59,0.81L-0.38,0.12L-0.95,-0.31L-0.24,-0.32Z"
_CROSS = "M-0.7,-0.9L0,-0.2L0.7,-0.9L0.9,-0.7L0.2,0L0.9,0.7L0.7,0.9L0,0.2L-0.7,0.9L-0.9,0.7L-0.2,0L-0.9,-0.7Z"
_SIGNS: Final = {
    "gate passed": ("triangle-up", "ink"),
    "gate not passed": ("triangle-down", "muted"),
    "fossilized": (_STAR, "ink"),
    "pruned": (_CROSS, "ink"),
}


def draw_timeline(stories: Stories, theme: Theme) -> ChartType:
    """Return the timeline: a row for each slot, a bar for each stage, and signs for gates and ends of seeds."""
    alt = import_altair()
    runs = as_runs(stories)
    text = describe_timeline(runs)
    slots = [row for row in slots_of(runs) if row.slot.seeds][: _max_slots(runs)]
    end = max((story.last_epoch for story in runs), default=0) + 1
    bars = [bar for row in slots for bar in _bars(row, end)]
    if not bars:
        return empty(text, theme)
    colours = colours_of(theme)
    labels = [row.label for row in slots]
    stages = dict.fromkeys(
        name for name, _ in STAGES.values() if any(bar["s"] == name for bar in bars)
    )
    roles = dict(STAGES.values())
    signs = [sign for row in slots for sign in _signs(row, has_gates=len(runs) == 1)]
    x_scale = alt.Scale(domain=[0 if any(bar["x"] < 1 for bar in bars) else 1, end], nice=False)
    y = alt.Y("slot:N", scale=alt.Scale(domain=labels, padding=0.25), axis=lanes(labels))
    spans = (
        alt.Chart(data(bars))
        .mark_bar(aria=True, cornerRadius=1)
        .encode(
            x=alt.X("x:Q", scale=x_scale, axis=x_axis("epoch")),
            x2="x2:Q",
            y=y,
            color=alt.Color(
                "s:N",
                scale=alt.Scale(
                    domain=list(stages), range=[colours[roles[name]] for name in stages]
                ),
                legend=alt.Legend(orient="top", offset=6, symbolType="square", symbolStrokeWidth=0),
            ),
            description=alt.Text("text:N"),
        )
    )
    layers = [spans]
    rollbacks = [{"x": e.epoch} for story in runs for e in story.governor.rollbacks if e.epoch]
    if rollbacks and len(runs) == 1:
        rule = alt.Chart(data(rollbacks)).mark_rule(color=colours["red"], opacity=0.7)
        layers.append(rule.encode(x=alt.X("x:Q", scale=x_scale)))
    kinds = [kind for kind in _SIGNS if any(sign["kind"] == kind for sign in signs)]
    if kinds:
        shapes = [_SIGNS[kind][0] for kind in kinds]
        fills = [colours[_SIGNS[kind][1]] for kind in kinds]  # type: ignore[index] # names of colours
        points = alt.Chart(data(signs)).mark_point(aria=True, filled=True, size=44, opacity=1)
        layers.append(
            points.encode(
                x=alt.X("x:Q", scale=x_scale),
                y=y,
                shape=alt.Shape(
                    "kind:N",
                    scale=alt.Scale(domain=kinds, range=shapes),
                    legend=alt.Legend(orient="bottom", offset=6),
                ),
                color=alt.Color(
                    "kind:N",
                    scale=alt.Scale(domain=kinds, range=fills),
                    legend=alt.Legend(orient="bottom", offset=6),
                ),
                description=alt.Text("text:N"),
            )
        )
    chart = alt.layer(*layers).resolve_scale(color="independent", shape="independent")
    return finish(chart.properties(width=width_of(labels), height=_LANE * len(labels)), text, theme)


def _max_slots(runs: Sequence[RunStory]) -> int:
    return MAX_SLOTS if len(runs) == 1 else MAX_COMPARED


def _bars(row: SlotRow, end: int) -> Iterator[Row]:
    """Yield a bar for each stage of the slot that lasts longer than a moment within an epoch."""
    steps = row.slot.steps
    starts: list[int] = []
    for step in steps:
        # An epoch that the log lacks is that of the stage before; a rollback never moves a stage back.
        starts.append(max(step.epoch or 0, starts[-1] if starts else 0))
    for number, (step, start) in enumerate(zip(steps, starts, strict=True)):
        stop = starts[number + 1] if number + 1 < len(starts) else end
        if step.stage in STAGES and stop > start:
            name = STAGES[step.stage][0]
            yield {
                "slot": row.label,
                "x": start,
                "x2": stop,
                "s": name,
                "text": f"{row.label}: {name}, epoch {start} to {stop}",
            }


def _signs(row: SlotRow, *, has_gates: bool) -> Iterator[Row]:
    """Yield gates and ends of seeds; gates of one epoch are one sign, which says passed only if all passed."""
    ends = {SeedStage.FOSSILIZED: "fossilized", SeedStage.PRUNED: "pruned"}
    for seed in row.slot.seeds:
        end = seed.end
        gates: dict[int, list[bool]] = {}
        for gate in seed.gates if has_gates else ():
            if gate.epoch is not None and gate.passed is not None:
                gates.setdefault(gate.epoch, []).append(gate.passed)
        for epoch, passed in gates.items():
            if end is not None and epoch == end.epoch:
                continue
            kind = "gate passed" if all(passed) else "gate not passed"
            yield {
                "slot": row.label,
                "x": epoch,
                "kind": kind,
                "text": f"{row.label}: {kind}, epoch {epoch}",
            }
        if end is not None and end.epoch is not None:
            kind = ends[end.stage]
            yield {
                "slot": row.label,
                "x": end.epoch,
                "kind": kind,
                "text": f"{row.label}: {kind}, epoch {end.epoch}",
            }


def describe_timeline(stories: Stories) -> str:
    """Return how many seeds the slots had and how they ended, as a sentence."""
    runs = as_runs(stories)
    slots = [row for row in slots_of(runs) if row.slot.seeds]
    if not slots:
        return "Timeline of the slots: no seed was planted."
    seeds = [seed for row in slots for seed in row.slot.seeds]
    ends = [
        (STAGE_WORDS[stage], sum(seed.has_been(stage) for seed in seeds))
        for stage in (SeedStage.FOSSILIZED, SeedStage.PRUNED)
    ]
    counts = ", ".join(f"{count} {name}" for name, count in ends)
    num_seeds = sum(row.slot.num_seeds for row in slots)
    text = f"Timeline of the slots: {pluralize(num_seeds, 'seed')} in {pluralize(len(slots), 'slot')}, {counts}"
    left_out = len(slots) - _max_slots(runs)
    return f"{text}; {pluralize(left_out, 'more slot')} not drawn." if left_out > 0 else f"{text}."


def _curves(slots: Sequence[SlotRow], name: str) -> Iterator[tuple[SlotRow, SeedStory, Series]]:
    for row in slots:
        for seed in row.slot.seeds:
            series = seed.alpha if name == "alpha" else seed.gradient
            if series is not None and any(True for _ in points_of(series)):
                yield row, seed, series


def _points(slots: Sequence[SlotRow], name: str) -> list[Row]:
    rows: list[Row] = []
    for row, seed, series in _curves(slots, name):
        rows += [
            {"slot": row.label, "seed": seed.number, "x": x, "y": y} for x, y in points_of(series)
        ]
    return rows


def draw_alphas(stories: Stories, theme: Theme) -> ChartType:
    """Return the amplitude of each slot's seeds over the epochs, a strip for each slot."""
    alt = import_altair()
    runs = as_runs(stories)
    text = describe_slots(runs, "alpha")
    rows = _points(slots_of(runs), "alpha")
    if not rows:
        return empty(text, theme)
    colours = colours_of(theme)
    labels = list(dict.fromkeys(row["slot"] for row in rows))[:_MAX_STRIPS]
    end = max((story.last_epoch for story in runs), default=0) + 1
    x_scale = alt.Scale(domain=[min(1, *(row["x"] for row in rows)), end], nice=False)
    strips = []
    for label in labels:
        is_last = label == labels[-1]
        own = alt.Chart(data([row for row in rows if row["slot"] == label]))
        axis = y_axis(label, values=[0, 1], titleY=-7)
        strip = own.mark_area(
            line={"color": colours["orange"], "strokeWidth": 1.6},
            color=colours["orange"],
            fillOpacity=0.18,
        ).encode(
            x=alt.X(
                "x:Q",
                scale=x_scale,
                axis=x_axis("epoch" if is_last else None, labels=is_last, ticks=is_last),
            ),
            y=alt.Y("y:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, stack=None),
            detail="seed:N",
        )
        strips.append(strip.properties(width=WIDTH, height=_STRIP))
    return finish(alt.vconcat(*strips, spacing=16), text, theme)


def draw_gradients(stories: Stories, theme: Theme) -> ChartType:
    """Return the ratio of each seed's gradient norm to the host's over the epochs, on a logarithmic axis."""
    alt = import_altair()
    runs = as_runs(stories)
    text = describe_slots(runs, "gradient")
    rows = [row for row in _points(slots_of(runs), "gradient") if row["y"] > 0]
    if not rows:
        return empty(text, theme)
    colours = colours_of(theme)
    labels = list(dict.fromkeys(row["slot"] for row in rows))[: len(SERIES)]
    rows = [row for row in rows if row["slot"] in labels]
    chosen = [colours[SERIES[number]] for number in range(len(labels))]
    end = max((story.last_epoch for story in runs), default=0) + 1
    x_scale = alt.Scale(domain=[min(1, *(row["x"] for row in rows)), end], nice=False)
    title = "gradient norm of the seed / of the host"
    base = alt.Chart(data(rows)).encode(
        x=alt.X("x:Q", scale=x_scale, axis=x_axis("epoch")),
        y=alt.Y("y:Q", scale=alt.Scale(type="log"), axis=y_axis(title, tickCount=3)),
        color=alt.Color(
            "slot:N",
            scale=alt.Scale(domain=labels, range=chosen),
            legend=legend(title, len(labels), symbolType="stroke"),
        ),
    )
    equal = (
        alt.Chart(data([{"y": 1}]))
        .mark_rule(color=colours["muted"], strokeDash=[2, 3])
        .encode(y="y:Q")
    )
    lines = base.mark_line(strokeWidth=1.6).encode(detail="seed:N")
    chart = alt.layer(equal, lines, base.mark_point(filled=True, size=14))
    return finish(chart.properties(width=WIDTH, height=130), text, theme)


def describe_slots(stories: Stories, name: str) -> str:
    """Return the newest value of each slot's seed as a sentence; `name` is "alpha" or "gradient"."""
    slots = slots_of(as_runs(stories))
    title = (
        "Amplitude of the seeds (alpha)"
        if name == "alpha"
        else "Gradient norm of the seeds as a ratio to the host's"
    )
    parts = []
    for row, seed, series in _curves(slots, name):
        values = [y for _, y in points_of(series)]
        shown = f"{min(values):.3g} to {max(values):.3g}, last {values[-1]:.3g}"
        parts.append(f"{row.label} {name_seed(seed)} {shown}")
    if not parts:
        return f"{title}: {NOT_IN_LOG}."
    return f"{title}: {join_names(parts, max_names=_MAX_STRIPS)}."
