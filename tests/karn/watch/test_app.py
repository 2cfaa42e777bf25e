"""The live view is driven by keys and mouse, and follows runs."""

import asyncio
import fcntl
from contextlib import contextmanager

import pytest

from esper.karn.watch.app import WatchApp
from esper.karn.watch.chart import CurveChart
from esper.karn.watch.events import EventFilter
from esper.karn.watch.screens import DetailScreen, RunsScreen
from esper.karn.watch.source import RunSource
from tests.karn.example_run import example_lines, write_example_run
from tests.karn.watch.driving import drive, is_read, press, screen_text, until

_LATER = 0.01
"""Seconds between two looks at a log in tests that wait for a change."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_example_run(tmp_path_factory.mktemp("runs") / "one")


@contextmanager
def lock_of(folder):
    """Hold the lock of a run, as the process that trains does."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def events_of(app):
    return [row.event for row in app.query_one("#events").rows]


def test_events_are_filtered_by_level_name_slot_and_text(folder):
    async def use(app, pilot):
        assert "METRICS_LOGGED" not in events_of(app)
        await press(pilot, "l")
        await until(pilot, lambda: "EPOCH_COMPLETED" not in events_of(app))
        assert {"GOVERNOR_PANIC", "GOVERNOR_ROLLBACK"} < set(events_of(app))
        await press(pilot, "l", "l")
        await until(pilot, lambda: "METRICS_LOGGED" in events_of(app))
        await press(pilot, "e", *"panic, seed_p*", "enter")
        await until(pilot, lambda: set(events_of(app)) == {"GOVERNOR_PANIC", "SEED_PRUNED"})
        await press(pilot, "x", "shift+tab", "shift+tab", "shift+tab", "down", "s")
        await until(pilot, lambda: _slots(app) == {"r0c1"})
        await press(pilot, "s", "/", *"Older_Snapshot", "enter")
        await until(pilot, lambda: events_of(app) == ["GOVERNOR_ESCALATED"])
        await press(pilot, "escape")
        await until(pilot, lambda: app.event_filter == EventFilter())

    drive(use, folder)


def _slots(app):
    return {row.slot_id for row in app.query_one("#events").rows}


def test_a_search_that_is_left_is_undone(folder):
    async def use(app, pilot):
        await press(pilot, "/", *"nothing like it")
        await until(pilot, lambda: events_of(app) == [])
        await until(pilot, lambda: "no such events" in screen_text(app))
        await press(pilot, "escape")
        await until(pilot, lambda: events_of(app))
        await until(pilot, lambda: app.focused.id == "events")

    drive(use, folder)


def test_the_chart_shows_other_curves_and_a_logarithmic_axis(folder):
    async def use(app, pilot):
        def title():
            return app.query_one(CurveChart).draw_title().plain

        assert title().startswith("loss ")
        for key, name in (("m", "accuracy "), ("m", "learning "), ("M", "accuracy ")):
            await press(pilot, key)
            await until(pilot, lambda name=name: title().startswith(name))
        assert "logarithmic" not in title()
        await press(pilot, "y")
        await until(pilot, lambda: "logarithmic" in title())
        assert title().startswith("accuracy ")

    drive(use, folder)


def test_a_panel_is_shown_alone(folder):
    async def use(app, pilot):
        await press(pilot, "tab", "tab", "tab", "z")
        await until(pilot, lambda: app.screen.maximized is not None)
        assert app.screen.maximized.id == "events"
        await press(pilot, "z")
        await until(pilot, lambda: app.screen.maximized is None)

    drive(use, folder)


def test_details_are_opened_by_enter_and_by_a_double_click(folder):
    async def use(app, pilot):
        await press(pilot, "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        await until(pilot, lambda: "slot 0/r0c1" in screen_text(app))
        await press(pilot, "escape")
        await until(pilot, lambda: not isinstance(app.screen, DetailScreen))
        await pilot.click("#slots", offset=(5, 2), times=2)
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        await until(pilot, lambda: "slot 0/r0c0" in screen_text(app))
        await press(pilot, "q")
        await until(pilot, lambda: not isinstance(app.screen, DetailScreen))

    drive(use, folder)


def test_a_click_moves_the_cursor(folder):
    async def use(app, pilot):
        await pilot.click("#slots", offset=(5, 4))
        await until(pilot, lambda: app.query_one("#slots").cursor == 2)

    drive(use, folder)


def test_runs_are_switched_by_keys_and_from_the_list(folder, tmp_path):
    other = write_example_run(tmp_path / "two", is_finished=False)

    async def use(app, pilot):
        assert "1/2" in screen_text(app)
        await press(pilot, "n")
        await until(pilot, lambda: is_read(app) and app.state.folder == other)
        await press(pilot, "r")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await until(pilot, lambda: [len(one.rows) for one in app.screen.query("LineList")] == [2])
        await press(pilot, "up", "enter")
        await until(pilot, lambda: app.state is not None and app.state.folder == folder)

    drive(use, folder, other)


def test_a_paused_view_stands_still(folder, tmp_path, monkeypatch):
    run = write_example_run(tmp_path / "run")
    path = next((run / "log").glob("1-*"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:40]))
    read = RunSource.read
    num_read = []

    def note(source):
        state = read(source)
        num_read.append(state.story.num_events)
        return state

    monkeypatch.setattr(RunSource, "read", note)

    async def use(app, pilot):
        before = app.state.story.num_events
        await press(pilot, "space")
        append(path, lines[40:])
        # A look after the one that has found the new lines, so that the view has got these.
        await until(pilot, lambda: num_read[-2:] == [before + len(lines) - 40] * 2)
        await press(pilot, "m")
        assert app.state.story.num_events == before
        assert "paused" in screen_text(app)
        await press(pilot, "space")
        await until(pilot, lambda: app.state.story.num_events > before)

    drive(use, run, interval_s=_LATER)


def append(path, lines):
    """Add lines to a file of a log, as its process does."""
    with path.open("ab") as file:
        file.write(b"".join(lines))


def test_a_run_is_followed_until_it_dies_and_when_it_is_resumed(tmp_path):
    run = tmp_path / "run"
    (run / "log").mkdir(parents=True)
    (first, early), (second, late), _ = example_lines().items()

    async def use(app, pilot):
        assert "waiting" in screen_text(app)
        with lock_of(run):
            append(run / "log" / first, early[:60])
            await until(pilot, lambda: app.state.story is not None)
            epoch = app.state.story.progress.epoch
            append(run / "log" / first, early[60:])
            await until(pilot, lambda: app.state.story.progress.epoch > epoch)
            await until(pilot, lambda: app.state.story.state == "running")
        await until(pilot, lambda: "died" in screen_text(app))
        with lock_of(run):
            append(run / "log" / second, late[:20])
            # The lock may be seen before the lines.
            await until(pilot, lambda: len(app.state.story.resumptions) == 1)
            await until(pilot, lambda: "died" not in screen_text(app))
            # The events that the process had written after its checkpoint are no longer part of the run.
            await until(pilot, lambda: _boots(app) == {"b2"})
        append(run / "log" / second, late[20:])
        await until(pilot, lambda: "finished" in screen_text(app))

    drive(use, run, interval_s=_LATER)


def _boots(app):
    return {row.boot for row in app.state.events if (row.epoch or 0) > 24}


def test_a_log_that_cannot_be_read_is_said_and_the_view_stays(folder, tmp_path):
    run = write_example_run(tmp_path / "run")

    async def use(app, pilot):
        for path in (run / "log").iterdir():
            path.unlink()
            path.mkdir()
        await until(pilot, lambda: app.state.problem is not None)
        assert app.state.story is not None
        await until(pilot, lambda: "log: " in screen_text(app))

    drive(use, run, interval_s=_LATER)


def test_an_error_in_the_reader_ends_the_view(folder, monkeypatch):
    def fail(source):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(RunSource, "peek", fail)

    async def run():
        app = WatchApp([folder])
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.return_code is not None)

    with pytest.raises(ZeroDivisionError, match="a bug"):
        asyncio.run(run())


def test_the_view_ends_by_a_key(folder):
    async def run(key):
        app = WatchApp([folder])
        async with app.run_test() as pilot:
            await pilot.press(key)
            await until(pilot, lambda: app.return_code is not None)
        return app.return_code

    assert [asyncio.run(run(key)) for key in ("q", "ctrl+c")] == [0, 0]
