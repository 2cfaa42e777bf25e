"""Writes a report as Markdown, for a repository, an issue or a lab book; nothing from the log is interpreted as markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from esper.karn.charts import catalog
from esper.karn.report.comparison import compare_runs
from esper.karn.report.page import COMPARISON_CHARTS, RUN_CHARTS
from esper.karn.report.sections import RunSection, Table, make_section
from esper.karn.story import RunStory
from esper.leyline.text import pluralize

_SPECIAL: Final = re.compile(r"[\\`*_\[\]#|~$]|:(?=//)")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
_START: Final = re.compile(r"^(\s*\d*)([-+=.)])(?=\s|[-+=]|$)")


def render_markdown(stories: Sequence[RunStory], figures: Mapping[str, str] | None = None) -> str:
    """Return the report on the runs as Markdown.

    Args:
        figures: path of the picture of each chart, relative to the file; without it there are only their texts.
    """
    is_one = len(stories) == 1
    lines = _one(make_section(stories[0])) if is_one else _several(stories)
    blocks = list(lines)
    names = RUN_CHARTS if is_one else COMPARISON_CHARTS
    blocks.append("## Charts")
    for name in names:
        text = escape(catalog.describe(name, stories))
        path = (figures or {}).get(name)
        if path is not None:
            blocks.append(f"![{escape(catalog.CHARTS[name].title)}]({quote(path)})")
        blocks.append(text)
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Return a text in which nothing is Markdown, HTML, a link or a mention."""
    for character, entity in _ENTITIES.items():
        text = text.replace(character, entity)
    # The semicolons and number signs of the entities must stay.
    parts = re.split(r"(&(?:amp|lt|gt|#64);)", text)
    text = "".join(
        part if number % 2 else _SPECIAL.sub(r"\\\g<0>", part) for number, part in enumerate(parts)
    )
    text = text.replace("www.", "www\\.")
    return _START.sub(r"\1\\\2", text)


def _one(run: RunSection) -> Iterator[str]:
    yield f"# {escape(run.title)}"
    yield f"{escape(run.run_id)}: **{escape(run.outcome)}**"
    yield escape(" ".join(run.sentences))
    yield _table((("value", "", ""), *((fact.label, fact.value, fact.note) for fact in run.facts)))
    yield from _warnings(run)
    yield "## Seeds"
    yield from _seeds(run)
    yield "## Governor"
    yield from _governor(run)
    yield "## Configuration"
    yield _table((("setting", "value"), *run.settings))
    yield "## Provenance"
    yield _table((("", ""), *run.provenance))
    yield _list(run.telemetry)


def _several(stories: Sequence[RunStory]) -> Iterator[str]:
    comparison = compare_runs(stories)
    yield f"# {pluralize(len(stories), 'run')}"
    yield escape(" ".join(comparison.sentences))
    yield "## Groups"
    yield _table(comparison.groups)
    missing = ", ".join(comparison.missing)
    lacks = f" Not in the log of any run: {missing}." if missing else ""
    yield escape(f"± is the 95 % interval of the mean by Student's t.{lacks}")
    yield "## Settings that differ"
    yield _table(comparison.settings)
    yield "## Runs"
    yield _table(comparison.runs)
    for story in stories:
        run = make_section(story)
        yield f"### {escape(run.title)} ({escape(run.run_id)})"
        yield escape(" ".join(run.sentences))
        yield from _warnings(run)


def _warnings(run: RunSection) -> Iterator[str]:
    if run.warnings:
        yield "**Warnings**"
        yield _list(run.warnings)


def _seeds(run: RunSection) -> Iterator[str]:
    for seed in run.seeds:
        yield f"### {escape(seed.slot)}: {escape(seed.title)}, {escape(seed.verdict)}"
        yield escape(" ".join(seed.sentences))
        if seed.gates:
            yield _table((("epoch", "gate", "result", "failed checks", "measured"), *seed.gates))
    if not run.seeds:
        yield "No seed was planted, or the log does not have them."
    if run.num_seeds_left_out:
        yield f"{run.num_seeds_left_out} more seeds are not shown."


def _governor(run: RunSection) -> Iterator[str]:
    if run.governor:
        yield _table((("when", "action", ""), *run.governor))
    else:
        yield "It did nothing but take snapshots, or the log does not have its actions."


def _table(rows: Table) -> str:
    head, *body = rows
    lines = [_row(head), "|" + " --- |" * len(head), *map(_row, body)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def _list(texts: Sequence[str]) -> str:
    return "\n".join(f"- {escape(text)}" for text in texts)
