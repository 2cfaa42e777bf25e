"""The header: the run, its health and why, how far it is, and its newest figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.text import Text

from esper.karn.series import Series
from esper.karn.story import RunStory
from esper.karn.watch.cells import fit
from esper.karn.watch.health import Health, Tone
from esper.karn.watch.problems import describe_problems
from esper.karn.watch.source import RunState
from esper.karn.watch.texts import (
    MISSING,
    draw_bar,
    show_bytes,
    show_duration,
    show_number,
)
from esper.leyline.text import printable

TONE_STYLES: dict[Tone, str] = {
    "good": "bold green",
    "warning": "bold yellow",
    "bad": "bold red",
    "neutral": "bold",
}
_SIGNS: dict[Tone, str] = {"good": "●", "warning": "▲", "bad": "✖", "neutral": "○"}
_BAR_WIDTH = 12
_NARROW_BAR_WIDTH = 6
_WIDE = 100
"""Characters from which the header has further figures."""
_MAX_ID, _MIN_ID = 40, 16


def draw_health(health: Health) -> Text:
    """Return a sign and the word of a run's health; the sign tells them apart without colours."""
    return Text(f"{_SIGNS[health.tone]} {health.word}", TONE_STYLES[health.tone])


def draw_header(
    state: RunState, width: int, *, position: str = "", is_paused: bool = False
) -> Text:
    """Return the two lines of the header, and a third one if something is wrong with the log.

    Args:
        state: the run.
        width: characters of a line.
        position: position of the run among several, such as `2/5`.
        is_paused: whether the view stands still.
    """
    lines = [_draw_title(state, width, position, is_paused=is_paused)]
    if state.story is not None:
        lines.append(_draw_progress(state.story, width))
    if problem := summarize_problems(state):
        lines.append(Text(problem, "yellow"))
    return Text("\n").join([fit(line, width) for line in lines])


def summarize_problems(state: RunState) -> str:
    """Return what is wrong with the log, in one line; empty if nothing is."""
    problems = [] if state.problem is None or state.story is None else [state.problem]
    if state.story is not None:
        problems += describe_problems(state.story)
    return f"log: {'; '.join(problems)} (i: more)" if problems else ""


def _draw_title(state: RunState, width: int, position: str, *, is_paused: bool) -> Text:
    """Return the health and why, and at the right the run, whose name is cut first if there is little room."""
    title = Text.assemble(draw_health(state.health))
    if is_paused:
        title.append("  paused", "bold reverse")
    title.append(f"  {state.health.reason}")
    name = state.folder.name if state.story is None else state.story.run_id
    run = Text(printable(name, _MAX_ID), "bold")
    num_place = len(position) + 1 if position else 0
    room = min(run.cell_len, max(_MIN_ID, width - title.cell_len - 2 - num_place))
    run = fit(run, room).append(f" {position}" if position else "", "dim")
    return Text.assemble(fit(title, max(0, width - run.cell_len - 2)), "  ", run)


def _draw_progress(story: RunStory, width: int) -> Text:
    progress = story.progress
    planned, step = progress.epochs_planned, story.metrics.last_step
    line = Text(f"epoch {progress.epoch:,}/{MISSING if planned is None else f'{planned:,}'} ")
    if not story.has_epochs:
        line = Text(f"step {MISSING if step is None else f'{step:,}'} ")
    if planned:
        share = min(progress.epoch / planned, 1.0)
        line.append(
            draw_bar(share, _BAR_WIDTH if width >= _WIDE else _NARROW_BAR_WIDTH), "green"
        ).append(f" {share:.0%}")
    if story.state == "running" and progress.seconds_left is not None:
        line.append(f"  {show_duration(progress.seconds_left)} left")
    elif story.state != "ended":
        line.append(f"  {show_duration(progress.seconds)} so far")
    for name, value in _figures(story, is_wide=width >= _WIDE):
        line.append(f"  {name} ", "dim").append(value)
    return line


def _figures(story: RunStory, *, is_wide: bool) -> Iterator[tuple[str, str]]:
    """Yield names and values of the newest figures, the most important first."""
    loss = _newest(story.losses, "val_loss", "train_loss", *story.losses)
    yield "loss", show_number(loss)
    accuracy = _newest(story.metric_series, "val_accuracy", "train_accuracy")
    if accuracy is not None:
        yield printable(story.metric, 20), f"{accuracy:.2f} %"
    if story.num_params is not None:
        added = story.params_added
        yield "params", f"{story.num_params:,}" + (f" ({added:+,})" if added else "")
    if not is_wide:
        return
    rate = _newest(story.learning_rates, "learning_rate")
    if rate is not None:
        yield "lr", show_number(rate, digits=3)
    for event in story.system_newest[:1]:
        sample = event.payload
        if sample.cpu_utilization is not None:
            yield "cpu", f"{sample.cpu_utilization:.0f} %"
        yield "memory", show_bytes(sample.process_memory_bytes)


def _newest(curves: Mapping[str, Series], *names: str) -> float | None:
    """Return the newest value of the first of the curves that is there."""
    found = [curves[name] for name in names if name in curves]
    return found[0].last if found else None
