"""Writes the charts of a report as files for papers and slides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from esper.karn.charts import catalog
from esper.karn.charts.palette import Theme
from esper.karn.charts.render import to_pdf, to_png, to_svg
from esper.karn.report.page import COMPARISON_CHARTS, RUN_CHARTS
from esper.karn.story import RunStory
from esper.leyline.atomic import write_atomically


def write_figures(
    stories: Sequence[RunStory], folder: Path, *, theme: Theme = "light"
) -> dict[str, tuple[Path, ...]]:
    """Write each chart that has values as SVG, PDF and PNG into `folder`, which is made; return the files by chart.

    Raises:
        MissingExtraError: Altair or vl-convert is not installed.
        OSError: a file cannot be written.
    """
    written = {}
    for name in RUN_CHARTS if len(stories) == 1 else COMPARISON_CHARTS:
        if not catalog.has_data(name, stories):
            continue
        chart = catalog.CHARTS[name].draw(stories, theme=theme)
        contents = {"svg": to_svg(chart).encode(), "pdf": to_pdf(chart), "png": to_png(chart)}
        paths = []
        for suffix, content in contents.items():
            path = folder / f"{name}.{suffix}"
            _write(path, content)
            paths.append(path)
        written[name] = tuple(paths)
    return written


def _write(path: Path, content: bytes) -> None:
    write_atomically(path, lambda file: file.write(content))
