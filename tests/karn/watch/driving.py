"""Drives the live view without a terminal, and reads its screen as text."""

import asyncio
import io
import json
import os
import time
from contextlib import asynccontextmanager, contextmanager

from rich.console import Console

from esper.karn.watch.app import WatchApp

NOW_NS = 1_767_603_800_000_000_000
"""The time at which the example run is looked at."""
_PATIENCE_S = 60
_MAX_STEPS = 8
"""Handlers that a key or a message passes at most, from the focused widget to the app and back."""


def screen_text(app):
    """Return what the screen shows, line by line, without spaces at the ends of lines."""
    width, height = app.size
    console = Console(
        width=width, height=height, file=io.StringIO(), color_system=None, legacy_windows=False
    )
    background = app._background_screens
    console.print(app.screen._compositor.render_update(full=True, screen_stack=background))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


async def until(pilot, condition):
    """Wait until `condition` holds."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not so on this screen:\n{screen_text(pilot.app)}") from None


async def handled(pilot):
    """Wait until each message that is on its way has been handled, and the handlers' messages too."""
    # Waiting until the process is idle would not do: it looks idle while others have the processor.
    for _ in range(_MAX_STEPS):
        await pilot.pause(0)


async def settle(app, pilot):
    """Wait until the screen stays the same, and return its text."""
    text, before = screen_text(app), ""
    while text != before:
        await handled(pilot)
        text, before = screen_text(app), text
    return text


async def press(pilot, *keys):
    """Press keys, one after another, each when the one before has been handled."""
    for key in keys:
        await pilot.press(key)
        await handled(pilot)


@asynccontextmanager
async def watching(*folders, size=(80, 24), interval_s=3600, **options):
    """Show runs until the block ends; the first look at the log is over when it begins."""
    app = WatchApp(folders, interval_s=interval_s, now_ns=lambda: NOW_NS, **options)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: is_read(app))
        await settle(app, pilot)
        yield app, pilot


def is_read(app):
    """Return whether the run in view has been read."""
    return app.state is not None and app.state.health.word != "reading"


def drive(use, *folders, **options):
    """Show runs and call `use` with the app and its pilot."""

    async def run():
        async with watching(*folders, **options) as (app, pilot):
            await use(app, pilot)

    asyncio.run(run())


@contextmanager
def utc():
    """Show times in UTC, on whatever machine the tests run."""
    zone = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        if zone is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = zone
        time.tzset()


def rewrite(folder, change):
    """Pass each line of a log, as a JSON object, through `change`."""
    for path in (folder / "log").iterdir():
        lines = [change(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
