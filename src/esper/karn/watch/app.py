"""The view of runs on a terminal: panels over the run in view, which follow its log."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, final

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from esper.karn.watch.chart import CurveChart, find_marks, make_pages
from esper.karn.watch.details import draw_event, draw_governor_detail, draw_run
from esper.karn.watch.event_panel import draw_event_row, draw_events_title
from esper.karn.watch.events import LEVEL_NAMES, EventFilter
from esper.karn.watch.governor_panel import draw_governor
from esper.karn.watch.header import draw_header
from esper.karn.watch.line_list import LineList
from esper.karn.watch.reader import RunReader
from esper.karn.watch.screens import HELP, DetailScreen, RunsScreen
from esper.karn.watch.seed_detail import draw_slot_detail
from esper.karn.watch.slot_table import SlotRow, draw_slot, draw_slot_titles, make_rows
from esper.karn.watch.source import RunState

INTERVAL_S = 0.5
"""Seconds between two looks at the log."""


@final
class WatchApp(App[None]):
    """Shows runs, one at a time.

    Attributes:
        state: the run in view, as it was read last; None before that.
        event_filter: which events are shown.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "esper watch"
    # Textual declares it without ClassVar.
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]  # noqa: RUF012
    CSS = """
    #header { height: auto; max-height: 3; padding: 0 1; }
    #slots, #chart, #governor, #events { border-top: solid $primary-darken-1; padding: 0 1; }
    #slots:focus, #chart:focus, #governor:focus, #events:focus { border-top: heavy $accent; }
    #slots { height: auto; min-height: 3; max-height: 7; }
    #middle { height: 1fr; min-height: 6; }
    #chart { width: 2fr; }
    #governor { width: 1fr; min-width: 26; }
    #events { height: 1fr; min-height: 3; }
    .-tall #slots { max-height: 14; }
    .-short #middle { height: 9; }
    #prompt { display: none; height: 1; border: none; padding: 0 1; }
    #prompt.-open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("slash", "prompt('search')", "search", key_display="/"),
        Binding("e", "prompt('names')", "events"),
        Binding("l", "level", "level"),
        Binding("s", "slot", "slot"),
        Binding("m", "page(1)", "chart"),
        Binding("M", "page(-1)", show=False),
        Binding("y", "log", show=False),
        Binding("z", "zoom", "zoom"),
        Binding("r", "runs", "runs"),
        Binding("n", "run(1)", show=False),
        Binding("p", "run(-1)", show=False),
        Binding("i", "info", "info"),
        Binding("space", "pause", "pause"),
        Binding("t", "theme", show=False),
        Binding("x", "clear", show=False),
        Binding("escape", "leave", show=False),
        Binding("ctrl+z", "suspend_process", show=False),
    ]

    @final
    class StateRead(Message):
        """The reader has looked at the run."""

        def __init__(self, state: RunState) -> None:
            """Carry the state of the run."""
            super().__init__()
            self.state = state

    @final
    class ReaderFailed(Message):
        """The reader has ended because of an error in this program."""

        def __init__(self, error: Exception) -> None:
            """Carry the error."""
            super().__init__()
            self.error = error

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        list_folders: Callable[[], Sequence[Path]] | None = None,
        interval_s: float = INTERVAL_S,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Show the first of the runs in `folders`.

        Args:
            folders: the folders of runs; at least one.
            list_folders: returns the folders again, as runs may be added; None if they stay the same.
            interval_s: seconds between two looks at the log.
            now_ns: the clock against which the newest event is compared.
        """
        super().__init__()
        self.animation_level = "none"
        self.state: RunState | None = None
        self.event_filter = EventFilter()
        self._folders = list(folders)
        self._list_folders = list_folders
        self._folder = self._folders[0]
        self._page_index, self._is_paused = 0, False
        self._is_log: bool | None = None
        self._prompted = "search"
        self._reader = RunReader(
            self._folder,
            on_state=lambda state: self.post_message(self.StateRead(state)),
            on_failure=lambda error: self.post_message(self.ReaderFailed(error)),
            interval_s=interval_s,
            now_ns=now_ns,
        )

    def compose(self) -> ComposeResult:
        """Create the panels."""
        yield Static(id="header", markup=False)
        yield LineList(
            draw_slot,
            key=lambda row: (row.slot.env_id, row.slot.slot_id),
            placeholder="no slots in the log",
            draw_titles=draw_slot_titles,
            widget_id="slots",
        )
        with Horizontal(id="middle"):
            yield CurveChart(widget_id="chart")
            yield LineList(
                lambda line, width: line, key=str, placeholder="no governor", widget_id="governor"
            )
        yield LineList(
            draw_event_row,
            key=lambda row: (row.number, row.boot, row.seq),
            placeholder="no such events; l: other levels, x: no filters",
            starts_at_end=True,
            widget_id="events",
        )
        yield Input(id="prompt", select_on_focus=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Start reading."""
        self.query_one("#slots").focus()
        self.query_one("#header", Static).update(Text("reading the log ..."))
        self._name_panels()
        self._reader.start()
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self.exit)

    def on_unmount(self) -> None:
        """Stop reading."""
        self._reader.stop()

    @on(StateRead)
    def _take(self, message: StateRead) -> None:
        """Show a new state, unless another run has been chosen meanwhile or the view is paused."""
        if not self.query("#header"):
            # The view is about to end.
            return
        if message.state.folder == self._folder and not (self._is_paused and self.state):
            self.state = message.state
            self._show()

    @on(ReaderFailed)
    def _fail(self, message: ReaderFailed) -> None:
        raise message.error

    def on_resize(self) -> None:
        """Draw the header, whose lines are cut to the width."""
        self._show_header()
        self.call_after_refresh(self._name_panels)

    def _show(self) -> None:
        assert self.state is not None
        self._show_header()
        story = self.state.story
        self._list("slots").show(() if story is None else make_rows(story))
        self._list("governor").show([] if story is None else draw_governor(story))
        self._show_chart()
        self._show_events()
        for screen in self.screen_stack:
            if isinstance(screen, DetailScreen):
                screen.show()

    def _show_header(self) -> None:
        if self.state is None:
            return
        folders = self._folders
        many = len(folders) > 1 and self._folder in folders
        position = f"{folders.index(self._folder) + 1}/{len(folders)}" if many else ""
        header = self.query_one("#header", Static)
        width = max(20, self.size.width - 2)
        header.update(draw_header(self.state, width, position=position, is_paused=self._is_paused))

    def _show_chart(self) -> None:
        story = None if self.state is None else self.state.story
        chart = self.query_one("#chart", CurveChart)
        if story is None:
            chart.show(None, [], is_log=None)
        else:
            pages = make_pages(story)
            page = pages[self._page_index % len(pages)] if pages else None
            chart.show(page, find_marks(story), is_log=self._is_log)
        self._name_panels()

    def _show_events(self) -> None:
        if self.state is not None:
            self._list("events").show(self.event_filter.select(self.state.events))
        self._name_panels()

    def _name_panels(self) -> None:
        """Write the titles of the panels; as contents, since a plain title would be read as markup."""
        chart = self.query_one("#chart", CurveChart)
        _set_title(chart, chart.draw_title())
        _set_title(self._list("slots"), Text("slots"))
        _set_title(self._list("governor"), Text("governor"))
        events = self._list("events")
        title = draw_events_title(self.event_filter, self.state, num_shown=len(events.rows))
        _set_title(events, title)

    def _list(self, name: str) -> LineList:
        return self.query_one(f"#{name}", LineList)

    @on(LineList.Chosen, "#slots")
    def _open_slot(self, message: LineList.Chosen) -> None:
        slot = message.row.slot
        self.push_screen(
            DetailScreen(lambda width: self._draw_slot(slot.env_id, slot.slot_id, width))
        )

    def _draw_slot(self, env_id: int, slot_id: str, width: int) -> list[Text]:
        rows: Sequence[SlotRow] = self._list("slots").rows
        for row in rows:
            if (row.slot.env_id, row.slot.slot_id) == (env_id, slot_id):
                return draw_slot_detail(row, width)
        return [Text("This run has no such slot.")]

    @on(LineList.Chosen, "#events")
    def _open_event(self, message: LineList.Chosen) -> None:
        lines = draw_event(message.row)
        self.push_screen(DetailScreen(lambda width: lines))

    @on(LineList.Chosen, "#governor")
    def _open_governor(self) -> None:
        self.push_screen(DetailScreen(lambda width: self._draw_governor()))

    def _draw_governor(self) -> list[Text]:
        story = None if self.state is None else self.state.story
        return [Text("no events yet")] if story is None else draw_governor_detail(story)

    def action_info(self) -> None:
        """Show where the run comes from, and the state of its log."""
        self.push_screen(
            DetailScreen(lambda width: [] if self.state is None else draw_run(self.state))
        )

    def action_help(self) -> None:
        """Show the keys."""
        lines = [Text(line) for line in HELP.splitlines()]
        self.push_screen(DetailScreen(lambda width: lines))

    def action_page(self, count: int) -> None:
        """Show other curves."""
        self._page_index += count
        self._show_chart()

    def action_log(self) -> None:
        """Change between a logarithmic and a linear chart."""
        self._is_log = not self.query_one("#chart", CurveChart).is_log
        self._show_chart()

    def action_level(self) -> None:
        """Show only events from the next level on; after the last one, all."""
        index = LEVEL_NAMES.index(self.event_filter.min_level) + 1
        self._filter(min_level=LEVEL_NAMES[index % len(LEVEL_NAMES)])

    def action_slot(self) -> None:
        """Show only events of the slot under the cursor, and again those of all."""
        row: SlotRow | None = self._list("slots").row
        chosen = None if row is None else (row.slot.env_id, row.slot.slot_id)
        self._filter(slot=None if self.event_filter.slot == chosen else chosen)

    def action_clear(self) -> None:
        """Show all events."""
        self.event_filter = EventFilter()
        self._show_events()

    def action_leave(self) -> None:
        """Leave the prompt, the zoomed panel, or the filters, whichever is there first."""
        if self.query_one("#prompt").has_class("-open"):
            self._filter(**{self._prompted: ""})
            self._close_prompt()
        elif self.screen.maximized is not None:
            self.screen.minimize()
        else:
            self.action_clear()

    def action_prompt(self, what: str) -> None:
        """Ask for a text to search for, or names of events."""
        self._prompted = what
        prompt = self.query_one("#prompt", Input)
        prompt.placeholder = (
            "search in events"
            if what == "search"
            else "names of events, such as GOVERNOR or SEED_*"
        )
        with prompt.prevent(Input.Changed):
            prompt.value = self.event_filter.search if what == "search" else self.event_filter.names
        prompt.add_class("-open")
        prompt.focus()

    @on(Input.Changed, "#prompt")
    def _type(self, message: Input.Changed) -> None:
        self._filter(**{self._prompted: message.value})

    @on(Input.Submitted, "#prompt")
    def _close_prompt(self) -> None:
        self.query_one("#prompt").remove_class("-open")
        self._list("events").focus()

    def _filter(self, **changes: Any) -> None:
        self.event_filter = replace(self.event_filter, **changes)
        self._show_events()

    def action_zoom(self) -> None:
        """Show the focused panel alone, and back."""
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif self.focused is not None:
            self.screen.maximize(self.focused)

    def action_pause(self) -> None:
        """Let the view stand still, and go on."""
        self._is_paused = not self._is_paused
        self._show_header()

    def action_theme(self) -> None:
        """Change between dark and light."""
        self.theme = "textual-dark" if self.theme == "textual-light" else "textual-light"

    def action_runs(self) -> None:
        """List the runs."""
        if self._list_folders is not None:
            self._folders = list(self._list_folders())
        self.push_screen(RunsScreen(self._folders, self._folder), self._follow)

    def action_run(self, count: int) -> None:
        """Show the next or previous run."""
        index = self._folders.index(self._folder) if self._folder in self._folders else 0
        self._follow(self._folders[(index + count) % len(self._folders)])

    def _follow(self, folder: Path | None) -> None:
        """Show the run in `folder`; None to stay."""
        if folder is None or folder == self._folder:
            return
        self._folder, self.state, self._page_index, self._is_paused = folder, None, 0, False
        self.query_one("#header", Static).update(Text("reading the log ..."))
        for name in ("slots", "governor", "events"):
            self._list(name).show(())
        self._show_chart()
        self._reader.follow(folder)


def _set_title(widget: Widget, title: Text) -> None:
    widget.border_title = Content.from_rich_text(title)
