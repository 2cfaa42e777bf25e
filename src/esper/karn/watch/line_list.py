"""A list of rows, of which only those in view are drawn, so that thousands of rows cost no more than ten."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, final

from rich.segment import Segment
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from esper.karn.watch.cells import fit


@final
class LineList(ScrollView, can_focus=True):
    """Rows of one line each, a cursor, and an optional row of titles that stays at the top.

    Rows are texts of Rich that are shown as they are: nothing in them is read as markup.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "move_page(-1)", show=False),
        Binding("pagedown", "move_page(1)", show=False),
        Binding("home,g", "move(-1000000000)", show=False),
        Binding("end,G", "move(1000000000)", show=False),
        Binding("enter", "choose", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-list--cursor"}
    DEFAULT_CSS = """
    LineList { overflow-x: hidden; scrollbar-size-vertical: 1; }
    LineList > .line-list--cursor { text-style: bold; }
    LineList:focus > .line-list--cursor { background: $primary-muted; }
    LineList.-plain:focus > .line-list--cursor { text-style: reverse; }
    """

    @final
    class Chosen(Message):
        """The user has chosen a row, by Enter or a double click."""

        def __init__(self, line_list: LineList, row: Any) -> None:
            """Report that `row` of `line_list` was chosen."""
            super().__init__()
            self.line_list = line_list
            self.row = row

        @property
        def control(self) -> LineList:
            """The list, by which handlers are selected."""
            return self.line_list

    def __init__(
        self,
        draw: Callable[[Any, int], Text],
        *,
        key: Callable[[Any], Hashable],
        placeholder: str,
        draw_titles: Callable[[int], Text] | None = None,
        starts_at_end: bool = False,
        widget_id: str | None = None,
    ) -> None:
        """Start without rows.

        Args:
            draw: returns the text of a row for a width in characters.
            key: tells rows apart, so that the cursor stays on a row when rows come and go.
            placeholder: shown where there are no rows.
            draw_titles: returns the row of titles; None for none of them.
            starts_at_end: whether the cursor is on the last row, and goes on with it when rows are added.
            widget_id: id of the widget.
        """
        super().__init__(id=widget_id)
        self._draw, self._key, self._draw_titles = draw, key, draw_titles
        self.placeholder = placeholder
        self._starts_at_end = starts_at_end
        self.rows: Sequence[Any] = ()
        self.cursor = 0

    def on_mount(self) -> None:
        """Show the cursor without colours where there are none."""
        self.set_class(self.app.no_color, "-plain")

    @property
    def row(self) -> Any | None:
        """The row under the cursor; None if there are no rows."""
        return self.rows[self.cursor] if self.rows else None

    def show(self, rows: Sequence[Any]) -> None:
        """Show other rows; the cursor stays on its row if that is still there."""
        is_at_end = self.cursor >= len(self.rows) - 1
        old = self.row
        self.rows = rows
        if self._starts_at_end and is_at_end:
            self.cursor = len(rows) - 1
        elif old is not None:
            key = self._key(old)
            self.cursor = next(
                (index for index, row in enumerate(rows) if self._key(row) == key), self.cursor
            )
        self.cursor = max(0, min(self.cursor, len(rows) - 1))
        self.virtual_size = Size(0, len(rows) + self._num_titles)
        self._keep_in_view()
        self.refresh()

    @property
    def _num_titles(self) -> int:
        return 0 if self._draw_titles is None else 1

    def render_line(self, y: int) -> Strip:
        """Return a line of what is in view."""
        width = self.scrollable_content_region.width
        if y == 0 and self._draw_titles is not None:
            return self._strip(self._draw_titles(width), width)
        index = self.scroll_offset.y + y - self._num_titles
        if not self.rows and index == 0:
            return self._strip(Text(self.placeholder, "dim"), width)
        if index >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        text = self._draw(self.rows[index], width)
        return self._strip(text, width, is_cursor=index == self.cursor)

    def _strip(self, text: Text, width: int, *, is_cursor: bool = False) -> Strip:
        style = self.rich_style
        segments = list(Segment.apply_style(fit(text, width).render(self.app.console), style))
        if is_cursor:
            cursor = self.get_component_rich_style("line-list--cursor", partial=True)
            segments = list(Segment.apply_style(segments, post_style=cursor))
        return Strip(segments).adjust_cell_length(width, style)

    def action_move(self, count: int) -> None:
        """Move the cursor by `count` rows."""
        self.move_to(self.cursor + count)

    def action_move_page(self, count: int) -> None:
        """Move the cursor by `count` pages."""
        self.move_to(self.cursor + count * max(1, self.size.height - self._num_titles - 1))

    def move_to(self, index: int) -> None:
        """Move the cursor to a row, or to the nearest one that there is."""
        self.cursor = max(0, min(index, len(self.rows) - 1))
        self._keep_in_view()
        self.refresh()

    def action_choose(self) -> None:
        """Report the row under the cursor as chosen."""
        if self.rows:
            self.post_message(self.Chosen(self, self.row))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row that was clicked; choose it at the second click."""
        y = event.get_content_offset_capture(self).y
        index = self.scroll_offset.y + y - self._num_titles
        if y < self._num_titles or not 0 <= index < len(self.rows):
            return
        self.move_to(index)
        if event.chain == 2:
            self.action_choose()

    def on_resize(self) -> None:
        """Keep the cursor in view when the panel becomes smaller."""
        self._keep_in_view()

    def _keep_in_view(self) -> None:
        height = self.scrollable_content_region.height - self._num_titles
        if height <= 0:
            return
        top = self.scroll_offset.y
        if self.cursor < top:
            top = self.cursor
        elif self.cursor >= top + height:
            top = self.cursor - height + 1
        self.scroll_to(y=top, animate=False, immediate=True)
