"""Screens over the view: details, keyboard help, and the list of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from esper.karn.overview import RunOverview, read_overview
from esper.karn.watch.cells import Column, draw_row, draw_titles, hang
from esper.karn.watch.line_list import LineList
from esper.karn.watch.texts import MISSING
from esper.leyline.text import printable

HELP = """\
Keys
  Tab, Shift+Tab     next, previous panel; a click does the same
  ↑ ↓ or j k         move in a panel; PgUp PgDn, Home End or g G
  Enter              details: of a slot, an event, the governor; a double click does the same
  Esc                close, or clear the filters
  z                  the panel alone on the screen, and back
  i                  about the run: log, machine, configuration, tags

Events
  /                  search in events
  e                  show only events with these names, such as GOVERNOR or SEED_*
  l                  show only events from this level on: debug, info, warning, error
  s                  show only events of the slot under the cursor, and again all
  x                  clear all filters

Chart
  m, M               next, previous curves: loss, accuracy, learning rate, ...
  y                  logarithmic or linear

Runs
  r                  list of runs; Enter shows one
  n, p               next, previous run

  Space              pause; the log is still read
  t                  dark or light
  q or Ctrl-C        quit

Signs
  ● good   ▲ look at it   ✖ bad   ○ nothing to say
  alpha              0: the seed has no effect, 1: it is fully blended in
  gradient           norm of the seed's gradient as a ratio to the host's; !3: three were vanishing or exploding
  evidence           loss without the seed minus loss with it, with its interval, in nats; positive: the seed helps.
                     green: the interval is above the seed's price, red: below
  -                  the log does not have the value
"""


@final
class DetailScreen(ModalScreen[None]):
    """Lines over the view, which go on with the run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "close"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]
    DEFAULT_CSS = """
    DetailScreen { align: center middle; }
    DetailScreen VerticalScroll {
        width: 94%; height: auto; max-height: 94%; border: solid $accent; background: $surface; padding: 0 1;
        scrollbar-gutter: stable;
    }
    DetailScreen Static { width: 100%; height: auto; }
    """

    def __init__(self, draw: Callable[[int], Sequence[Text]]) -> None:
        """Show the lines that `draw` returns for a width."""
        super().__init__()
        self._draw = draw

    def compose(self) -> ComposeResult:
        """Create the box with the lines."""
        with VerticalScroll() as box:
            box.border_subtitle = "Esc: close"
            yield Static(id="lines", markup=False)

    def on_mount(self) -> None:
        """Draw the lines once the width is known."""
        self.query_one(VerticalScroll).focus()
        self.call_after_refresh(self.show)

    def on_resize(self) -> None:
        """Draw them for the new width."""
        self.call_after_refresh(self.show)

    def show(self) -> None:
        """Draw the lines as they are now."""
        lines = self.query_one("#lines", Static)
        width = max(20, lines.size.width)
        wrapped = [
            part for line in self._draw(width) for part in hang(line, width, self.app.console)
        ]
        lines.update(Text("\n").join(wrapped))

    def action_scroll(self, count: int) -> None:
        """Scroll by `count` lines."""
        self.query_one(VerticalScroll).scroll_relative(y=count, animate=False)


@final
class RunsScreen(ModalScreen[Path | None]):
    """The list of runs, of which one can be chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "close", "close")]
    DEFAULT_CSS = """
    RunsScreen { align: center middle; }
    RunsScreen LineList {
        width: 94%; height: auto; min-height: 5; max-height: 94%; border: solid $accent; background: $surface;
    }
    """
    _COLUMNS = (
        Column("run", 36),
        Column("state", 11),
        Column("epoch", 9, is_right=True),
        Column("accuracy", 9, is_right=True),
        Column("tags, reason", 0),
    )

    def __init__(self, folders: Sequence[Path], current: Path) -> None:
        """List the runs in `folders`, with the cursor on `current`."""
        super().__init__()
        self._folders, self._current = folders, current

    def compose(self) -> ComposeResult:
        """Create the list."""
        runs = LineList(
            self._draw,
            key=lambda run: run.folder,
            placeholder="reading ...",
            draw_titles=lambda width: draw_titles(self._COLUMNS, width),
        )
        runs.border_title = "runs"
        runs.border_subtitle = "Enter: show, Esc: close"
        yield runs

    def on_mount(self) -> None:
        """Read the runs in a thread, as there may be hundreds."""
        self.query_one(LineList).focus()
        self.run_worker(self._read, thread=True)

    def _read(self) -> None:
        runs = [read_overview(folder) for folder in self._folders]
        self.app.call_from_thread(self._show, runs)

    def _show(self, runs: list[RunOverview]) -> None:
        if not self.is_attached:
            return
        lines = self.query_one(LineList)
        lines.show(runs)
        lines.move_to(next((i for i, one in enumerate(runs) if one.folder == self._current), 0))

    def _draw(self, run: RunOverview, width: int) -> Text:
        planned = MISSING if run.epochs_planned is None else f"{run.epochs_planned}"
        accuracy = MISSING if run.grown_accuracy is None else f"{run.grown_accuracy:.2f} %"
        notes = [*(printable(tag, 40) for tag in run.tags or ()), *filter(None, [run.reason])]
        cells = (
            printable(run.id, 60),
            run.state,
            f"{run.epochs_completed}/{planned}",
            accuracy,
            ", ".join(notes),
        )
        return draw_row(self._COLUMNS, [Text(cell) for cell in cells], width)

    def on_line_list_chosen(self, message: Any) -> None:
        """Close the list and show the run."""
        self.dismiss(message.row.folder)

    def action_close(self) -> None:
        """Close the list; the run in view stays."""
        self.dismiss(None)
