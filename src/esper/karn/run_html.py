"""A run as HTML for notebooks: two small tables, without scripts and styles; every text of the log is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape

from esper._generated.enums import SeedStage
from esper.karn.story import RunStory
from esper.leyline.text import pluralize, printable

_MAX_SEEDS = 20


def render_story(story: RunStory, tags: Mapping[str, str | None]) -> str:
    """Return the outcome of a run, its losses and metrics, governor and seeds as HTML."""
    return f"{_render_table('', _facts(story, tags))}{_render_seeds(story)}"


def render_problem(name: str, problem: str) -> str:
    """Return HTML that says why a run cannot be shown."""
    return f"<p><b>{_text(name)}</b>: {_text(problem, 1000)}</p>"


def render_views(title: str, views: Mapping[str, str]) -> str:
    """Return the views of a database with their descriptions as HTML."""
    return _render_table(title, views.items())


def _facts(story: RunStory, tags: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    yield "run", story.run_id
    if tags:
        yield "tags", ", ".join(tags)
    if story.started is not None:
        yield "task", story.started.task
    yield "outcome", "no end in the log" if story.outcome is None else story.outcome.name.lower()
    planned = "not known" if story.epochs_planned is None else f"{story.epochs_planned:,}"
    yield "epochs", f"{story.epochs_completed:,} of {planned}"
    yield f"validation {story.metric}", _percent(story.grown_accuracy)
    yield "the same of the host alone", _percent(story.host_accuracy)
    yield "parameters added", _count(story.params_added)
    yield (
        "seeds",
        f"{story.count_seeds(SeedStage.FOSSILIZED):,} kept, {story.count_seeds(SeedStage.PRUNED):,} pruned",
    )
    yield (
        "governor",
        f"{pluralize(len(story.panics), 'panic')}, {pluralize(len(story.rollbacks), 'rollback')},"
        f" {pluralize(story.num_skipped_steps, 'skipped step')}",
    )
    if story.num_damaged or story.num_gaps:
        yield (
            "log",
            f"{pluralize(story.num_damaged, 'damaged line')}, {pluralize(story.num_gaps, 'gap')}; see: esper lint-log",
        )


def _render_seeds(story: RunStory) -> str:
    rows = [
        (
            slot.slot_id,
            seed.blueprint_id or "not known",
            seed.stage.name,
            next((step.reason for step in reversed(seed.steps) if step.reason), ""),
        )
        for slot in story.slots
        for seed in slot.seeds
    ]
    if not rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("slot", "blueprint", "stage", "reason"))
    body = "".join(
        f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>"
        for row in rows[:_MAX_SEEDS]
    )
    num_more = len(rows) - _MAX_SEEDS
    more = f"<p>and {num_more:,} more seeds</p>" if num_more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _render_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>'
        for name, value in rows
    )
    caption = f"<caption>{_text(title)}</caption>" if title else ""
    return f"<table>{caption}<tbody>{body}</tbody></table>"


def _text(text: str, max_length: int = 200) -> str:
    return escape(printable(text, max_length))


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f} %"


def _count(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"
