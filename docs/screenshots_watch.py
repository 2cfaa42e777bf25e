"""Writes the picture of `esper watch` that the documentation shows:

    python docs/screenshots_watch.py

The picture is one of the example run of the tests, so it is the same each time.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.karn.watch.driving import settle, watching  # noqa: E402 # found by the path above
from tests.karn.watch.record import write_run  # noqa: E402 # likewise

PICTURE = ROOT / "docs" / "_static" / "watch.svg"
"""A picture of the terminal."""
_FONT_FACES = ("@font-face {", "}")


async def take() -> str:
    """Return the picture as SVG."""
    with tempfile.TemporaryDirectory() as root:
        run = write_run(Path(root) / "run", "whole")
        async with watching(run, size=(120, 40)) as (app, pilot):
            await settle(app, pilot)
            return without_fonts(app.export_screenshot(title="esper watch"))


def without_fonts(svg: str) -> str:
    """Return a picture that loads no fonts from the network."""
    start, end = _FONT_FACES
    while (first := svg.find(start)) >= 0:
        svg = svg[:first] + svg[svg.index(end, first) + 1 :]
    return svg


def main() -> None:
    """Write the picture."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    PICTURE.write_text(asyncio.run(take()), encoding="utf-8")
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
