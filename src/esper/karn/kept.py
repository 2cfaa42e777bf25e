"""Keeps some of many events, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final, final

MAX_KEPT: Final = 500
"""Events of a kind that are kept from the start, and as many from the end."""
_MAX_SPACED: Final = 4096
"""Evenly spaced events of a kind that are kept; an even number."""


@final
class FirstAndNewest:
    """The first `MAX_KEPT` of the items that are added, and the newest.

    Attributes:
        count: how many items were added.
        first: the first of them.
        newest: the newest of those that are not among the first.
    """

    __slots__ = ("count", "first", "newest")

    def __init__(self, num_newest: int = MAX_KEPT) -> None:
        """Start without items; `num_newest` of the newest are kept."""
        self.first: list[Any] = []
        self.newest: deque[Any] = deque(maxlen=num_newest)
        self.count = 0

    def add(self, item: Any) -> None:
        """Add an item; the oldest of the newest ones makes room for it."""
        self.count += 1
        if self.count > MAX_KEPT:
            self.newest.append(item)
        else:
            self.first.append(item)

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
        items: evenly spaced ones of them, from the first on.
        newest: the item that was added last; None before the first.
        stride: distance of the spaced ones.
    """

    __slots__ = ("count", "items", "newest", "stride")

    def __init__(self) -> None:
        """Start without items."""
        self.items: list[Any] = []
        self.newest: Any = None
        self.stride = 1
        self.count = 0

    def add(self, item: Any) -> None:
        """Add an item."""
        if self.count % self.stride == 0:
            self.items.append(item)
            if len(self.items) > _MAX_SPACED:
                self.items = self.items[::2]
                self.stride *= 2
        self.newest = item
        self.count += 1

    def __iter__(self) -> Iterator[Any]:
        """Yield the items that are kept, in order."""
        yield from self.items
        if self.count and (self.count - 1) % self.stride:
            yield self.newest
