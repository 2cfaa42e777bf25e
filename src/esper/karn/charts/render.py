"""Draws charts as SVG, PNG and PDF, on this machine, without a browser and without the network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from esper.karn.charts.library import import_converter

if TYPE_CHECKING:
    from altair.typing import ChartType

VEGA_LITE: Final = "6.4"
"""Version of Vega-Lite that draws the charts; that of Altair's schema or a later minor one."""
_PPI = 200


def to_spec(chart: ChartType) -> dict[str, Any]:
    """Return the Vega-Lite description of a chart, with its data."""
    # Checking it against the schema would take longer than drawing it, and the tests do that.
    spec: dict[str, Any] = chart.to_dict(validate=False)
    return spec


def to_svg(chart: ChartType) -> str:
    """Return a chart as an SVG image.

    Raises:
        MissingExtraError: vl-convert is not installed.
    """
    svg: str = import_converter().vegalite_to_svg(json.dumps(to_spec(chart)), **_offline())
    return svg


def to_png(chart: ChartType) -> bytes:
    """Return a chart as a PNG image of 200 pixels per inch.

    Raises:
        MissingExtraError: vl-convert is not installed.
    """
    png: bytes = import_converter().vegalite_to_png(
        json.dumps(to_spec(chart)), ppi=_PPI, **_offline()
    )
    return png


def to_pdf(chart: ChartType) -> bytes:
    """Return a chart as a PDF page of its size.

    Raises:
        MissingExtraError: vl-convert is not installed.
    """
    pdf: bytes = import_converter().vegalite_to_pdf(json.dumps(to_spec(chart)), **_offline())
    return pdf


def _offline() -> dict[str, Any]:
    """Return the options that keep the converter from loading anything."""
    return {"vl_version": VEGA_LITE, "allowed_base_urls": []}
