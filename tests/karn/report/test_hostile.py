"""Nothing that a log says becomes markup, a request or a file name of a report."""

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from esper.karn.charts.render import Painter
from esper.karn.report.figures import write_figures
from esper.karn.report.markdown import escape, render_markdown
from esper.karn.report.page import make_figures, render_page
from esper.karn.run import read_story
from tests.karn.browser import open_page, skip_without_browser
from tests.karn.example_run import write_example_run
from tests.karn.hostile import TEXTS, poison

_TAG_NAMES = (
    "html head meta title style body main header p h1 h2 h3 span dl div dt dd section ul li figure figcaption table thead"
    " tbody tr th td mark details summary footer svg g path rect text tspan line circle defs clippath"
)
_ATTRIBUTE_NAMES = (
    "lang charset http-equiv content name class aria-label scope role d x y x1 y1 x2 y2 r cx cy width height viewbox transform"
    " fill fill-opacity stroke stroke-width stroke-opacity stroke-dasharray stroke-linejoin stroke-linecap"
    " stroke-miterlimit opacity font-size font-weight text-anchor clip-path id"
)
_TAGS, _ATTRIBUTES = set(_TAG_NAMES.split()), set(_ATTRIBUTE_NAMES.split())


class _Checker(HTMLParser):
    """Fails at any element or attribute that the page does not have by itself."""

    def handle_starttag(self, tag, attributes):
        assert tag in _TAGS
        for name, value in attributes:
            assert name in _ATTRIBUTES, name
            assert name not in ("fill", "stroke") or re.fullmatch(
                r"none|var\(--chart-\w+\)|#\w+|transparent", value
            )

    def handle_comment(self, data):
        raise AssertionError(data)


@cache
def example():
    """Return the story of the example run."""
    with TemporaryDirectory() as folder:
        return read_story(write_example_run(Path(folder) / "run"))


@pytest.mark.parametrize("kind", TEXTS)
def test_a_page_shows_hostile_texts_as_texts(kind):
    story = poison(example(), TEXTS[kind])
    page = render_page([story], ())

    checker = _Checker()
    checker.feed(page)
    checker.close()
    assert len(page) < 2_000_000
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]",
        page,
    )


def test_a_browser_runs_nothing_of_a_page_full_of_hostile_texts(tmp_path):
    skip_without_browser()
    kinds = ("image", "script", "svg", "expression")
    stories = [replace(poison(example(), TEXTS[kind]), run_id=TEXTS[kind]) for kind in kinds]
    page = tmp_path / "page.html"
    with Painter() as painter:
        charts = make_figures(stories, painter)
    page.write_text(render_page(stories, charts), encoding="utf-8")

    content, complaints = open_page(page, tmp_path / "profile")

    assert complaints == []
    assert content.count("<h1") == 1


@pytest.mark.parametrize("kind", TEXTS)
def test_markdown_contains_no_markup_of_a_log(kind):
    text = render_markdown([poison(example(), TEXTS[kind])])

    assert len(text) < 1_000_000
    assert "<" not in text
    assert not re.search(r"(?<!\\)\]\(|[^\\]://|(?<!\\)`|[\x1b\u202e\ud800]", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b*c", "a\\_b\\*c"),
        ("1. first", "1\\. first"),
        ("- item", "\\- item"),
        ("95.55 %", "95.55 %"),
        ("<b>&@you", "&lt;b&gt;&amp;&#64;you"),
        ("a|b", "a\\|b"),
        ("http://x www.x", "http\\://x www\\.x"),
    ],
)
def test_markdown_is_escaped(text, expected):
    assert escape(text) == expected


def test_no_name_of_a_log_becomes_a_file(tmp_path):
    story = poison(example(), TEXTS["path"])
    # Two charts are enough to see how files are named.
    story = replace(
        story, slots=(), metric_series={}, losses={}, system={}, finished=None, epochs=()
    )

    files = write_figures([story], tmp_path / "figures")

    assert list(files) == ["learning_rate"]
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"learning_rate.{one}" for one in ("svg", "pdf", "png")
    }
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]
