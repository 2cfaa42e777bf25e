"""Builds the page of a report: one file without scripts, links and requests, which every browser shows offline."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from esper.karn.charts import catalog
from esper.karn.charts.inline import inline_svg
from esper.karn.charts.library import unchecked
from esper.karn.charts.palette import THEMES
from esper.karn.charts.render import Painter
from esper.karn.report.comparison import compare_runs
from esper.karn.report.glossary import GLOSSARY
from esper.karn.report.sections import make_section
from esper.karn.story import RunStory
from esper.leyline.errors import MissingExtraError
from esper.leyline.text import pluralize, printable
from esper.version import VERSION

RUN_CHARTS: Final = tuple(catalog.CHARTS)
"""Charts in the report on one run."""
COMPARISON_CHARTS: Final = ("metrics", "losses", "pareto", "timeline")
"""Charts in the report on several runs."""
_MAX_TEXT = 8192
_FOLDER = "esper.karn.report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart in the page."""

    name: str
    title: str
    svg: str | None
    """None if the log has no values for it."""
    text: str
    """The text alternative."""
    caption: str
    """How to read the chart, and its numbers."""


def make_figures(stories: Sequence[RunStory], painter: Painter) -> tuple[Figure, ...]:
    """Return the charts of a run, or those that compare several.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    names = RUN_CHARTS if len(stories) == 1 else COMPARISON_CHARTS
    images = {}
    with unchecked():
        for name in names:
            if catalog.has_data(name, stories):
                images[name] = painter.paint(catalog.CHARTS[name].draw(stories))
    figures = []
    for name in names:
        entry = catalog.CHARTS[name]
        text = catalog.describe(name, stories)
        image = images.get(name)
        svg = None if image is None else inline_svg(image.result(), name=name, text=text)
        reading = entry.reading if svg is not None and len(stories) == 1 else ""
        numbers = text.removeprefix(f"{entry.title}: ") if svg is not None else text
        caption = f"{reading} {numbers}".strip()
        figures.append(Figure(name=name, title=entry.title, svg=svg, text=text, caption=caption))
    return tuple(figures)


def render_page(stories: Sequence[RunStory], charts: Sequence[Figure]) -> str:
    """Return the report on the runs as an HTML document, with the charts that `make_figures` has made.

    Raises:
        MissingExtraError: a package of the extra `charts` is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ModuleNotFoundError as error:
        raise MissingExtraError("charts", package="jinja2") from error

    def finalize(value: Any) -> Any:
        # Texts are printable already; whatever was forgotten becomes so here.
        return printable(value, _MAX_TEXT) if type(value) is str else value

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (
        _read("page.css")
        .replace("@LIGHT@", _variables("light"))
        .replace("@DARK@", _variables("dark"))
    )
    sections = [make_section(story) for story in stories]
    figures = [
        {
            "name": one.name,
            "title": one.title,
            "caption": one.caption,
            "svg": None if one.svg is None else Markup(one.svg),
        }
        for one in charts
    ]
    is_one = len(stories) == 1
    title = f"Esper: {sections[0].title}" if is_one else f"Esper: {pluralize(len(stories), 'run')}"
    content: Mapping[str, Any] = {
        "title": title,
        "policy": _policy(style),
        "style": Markup(style),
        "runs": sections,
        "figures": figures,
        "comparison": None if is_one else compare_runs(stories),
        "glossary": GLOSSARY,
        "version": VERSION,
    }
    return environment.from_string(_read("page.html")).render(content)


def _read(name: str) -> str:
    return files(_FOLDER).joinpath(name).read_text(encoding="utf-8")


def _variables(theme: str) -> str:
    return " ".join(f"--chart-{role}: {value};" for role, value in THEMES[theme].items())


def _policy(style: str) -> str:
    """Return the content security policy: nothing is loaded and nothing runs, and this style sheet alone is used."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
