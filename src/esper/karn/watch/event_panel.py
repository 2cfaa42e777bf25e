"""Draws the panel of events: its title and its rows."""

from __future__ import annotations

from rich.text import Text

from esper.karn.watch.events import EventFilter, EventRow
from esper.karn.watch.source import RunState

_LEVEL_STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "bold red"}


def draw_events_title(event_filter: EventFilter, state: RunState | None, *, num_shown: int) -> Text:
    """Return the title of the panel: the filter, and how many of the events it shows."""
    title = Text("events")
    if state is None:
        return title
    if shown := event_filter.describe():
        title.append(f"  {shown}", "bold" if event_filter == EventFilter() else "bold yellow")
        title.append(f"  {num_shown:,} of {len(state.events):,}", "dim")
    if state.has_older_events:
        title.append("  the newest ones; older: esper tail", "dim")
    return title


def draw_event_row(row: EventRow, width: int) -> Text:
    """Return an event in one line, in the style of its level."""
    return Text(row.text, _LEVEL_STYLES[row.level])
