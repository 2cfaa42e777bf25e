"""The layout of a report where there is little room: on a telephone, and on paper."""

import re
from dataclasses import replace

import pytest

from esper.karn.report.page import render_page
from esper.karn.run import read_story
from tests.karn.browser import open_page, skip_without_browser
from tests.karn.example_run import write_example_run

_MEASURE = """
<script>
const broken = [];
for (const cell of document.querySelectorAll("table:not(.narrow) td, table:not(.narrow) th")) {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) for (const match of walker.currentNode.data.matchAll(/[^\\s-]+/g)) {
    const range = document.createRange();
    range.setStart(walker.currentNode, match.index);
    range.setEnd(walker.currentNode, match.index + match[0].length);
    if (new Set([...range.getClientRects()].map(one => one.top)).size > 1) broken.push(match[0]);
  }
}
const right = document.querySelector("main").getBoundingClientRect().right + 1;
const wide = [...document.querySelectorAll("table")].filter(one => one.getBoundingClientRect().right > right);
document.title = "broken: " + broken.join(" ") + "; cut off: " + wide.length;
</script>
"""
"""Puts into the title of the page which words of tables are broken, and how many tables are wider than the page."""


@pytest.fixture
def measure(tmp_path):
    """Return a function that lays out a page as in another medium and another width, and returns what is wrong."""
    skip_without_browser()
    story = read_story(write_example_run(tmp_path / "run"))
    pages = {1: [story], 2: [story, replace(story, run_id="20260105-090000-digits-s4-e5a2")]}

    def measure(num_runs, medium, width):
        page = render_page(pages[num_runs], [])
        page = re.sub("<meta http-equiv[^>]*>", "", page)
        assert medium in page
        page = page.replace(medium, "@media all")
        style = f"<style>body {{ width: {width}; }}</style>"
        page = page.replace("<details>", "<details open>").replace(
            "</body>", f"{style}{_MEASURE}</body>"
        )
        path = tmp_path / "page.html"
        path.write_text(page, encoding="utf-8")
        content, _ = open_page(path, tmp_path / "profile")
        return re.search("<title>(.*)</title>", content)[1]

    return measure


def test_words_of_tables_stay_whole_on_a_narrow_screen(measure):
    assert measure(1, "@media (max-width: 40rem)", "400px").startswith("broken: ;")


@pytest.mark.parametrize("num_runs", [1, 2])
def test_no_table_is_cut_off_on_paper(num_runs, measure):
    assert measure(num_runs, "@media print", "180mm").endswith("cut off: 0")
