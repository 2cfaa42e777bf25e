"""Keeps some of many events, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, final

MAX_KEPT: Final = 500
"""Events of a kind that are kept from the start, and as many from the end."""
_MAX_SPACED: Final = 4096
"""Evenly spaced events of a kind that are kept; an even number."""


class KeptEvent(NamedTuple):
    """The payload of an event, and its place in the log of its writer."""

    epoch: int | None
    seq: int
    t_wall_ns: int
    payload: Any


@final
class FirstAndNewest:
    """The first and the newest `MAX_KEPT` of the items that are added.

    Attributes:
        count: how many items were added.
    """

    __slots__ = ("count", "first", "newest")

    def __init__(self) -> None:
        """Start without items."""
        self.first: list[Any] = []
        self.newest: deque[Any] = deque(maxlen=MAX_KEPT)
        self.count = 0

    def add(self, item: Any) -> None:
        """Add an item; the oldest of the newest ones makes room for it."""
        self.count += 1
        if len(self.first) < MAX_KEPT:
            self.first.append(item)
        else:
            self.newest.append(item)

    def replace_last(self, item: Any) -> None:
        """Put an item in the place of the one that was added last."""
        (self.newest or self.first)[-1] = item

    @property
    def last(self) -> Any:
        """The item that was added last; None if there is none."""
        items = self.newest or self.first
        return items[-1] if items else None

    def __iter__(self) -> Iterator[Any]:
        """Yield the items that are kept, in order."""
        yield from self.first
        yield from self.newest


@final
class Spaced:
    """Evenly spaced ones of the items that are added, and the newest.

    Attributes:
        count: how many items were added.
    """

    __slots__ = ("_items", "_newest", "_stride", "count")

    def __init__(self) -> None:
        """Start without items."""
        self._items: list[Any] = []
        self._newest: Any = None
        self._stride = 1
        self.count = 0

    def add(self, item: Any) -> None:
        """Add an item."""
        if self.count % self._stride == 0:
            self._items.append(item)
            if len(self._items) > _MAX_SPACED:
                self._items = self._items[::2]
                self._stride *= 2
        self._newest = item
        self.count += 1

    def __iter__(self) -> Iterator[Any]:
        """Yield the items that are kept, in order."""
        yield from self._items
        if self.count and (self.count - 1) % self._stride:
            yield self._newest
