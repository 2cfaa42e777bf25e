"""Draws charts as SVG, PNG and PDF, on this machine, without a browser and without the network."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, final

from esper.karn.charts.library import import_converter

if TYPE_CHECKING:
    from altair.typing import ChartType

VEGA_LITE: Final = "6.4"
"""Version of Vega-Lite that draws the charts; that of Altair's schema or a later minor one."""
_PPI = 200
_SMALLEST = '{"data": {"values": []}, "mark": "point"}'


def to_spec(chart: ChartType) -> dict[str, Any]:
    """Return the Vega-Lite description of a chart, with its data."""
    # Checking it against the schema would take longer than drawing it, and the tests do that.
    spec: dict[str, Any] = chart.to_dict(validate=False)
    return spec


@final
class Painter:
    """Draws charts in a thread of its own while the caller goes on, with a converter that starts at once.

        with Painter() as painter:
            svgs = [painter.paint(losses(story)), painter.paint(metrics(story))]
            texts = [svg.result() for svg in svgs]

    The converter takes half a second to start, in which the logs can be read; it does not hold the interpreter's lock.
    """

    def __init__(self) -> None:
        """Start the converter.

        Raises:
            MissingExtraError: vl-convert is not installed.
        """
        self._converter = import_converter()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="esper-charts")
        self._thread.submit(self._convert, _SMALLEST)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown(cancel_futures=error is not None)

    def paint(self, chart: ChartType) -> Future[str]:
        """Return the SVG image of a chart, once it is drawn."""
        return self._thread.submit(self._convert, json.dumps(to_spec(chart)))

    def _convert(self, spec: str) -> str:
        svg: str = self._converter.vegalite_to_svg(spec, **_offline())
        return svg


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
