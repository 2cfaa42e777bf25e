"""Ctrl-C as a request: the first one ends a run in order, the second one at once."""

import signal
import types
from typing import Self

from rich.console import Console


class StopRequest:
    """Handles Ctrl-C within its `with` block."""

    def __init__(self, console: Console) -> None:
        """Print the answer to the first Ctrl-C on `console`."""
        self._console = console
        self._is_made = False

    def is_made(self) -> bool:
        """Return whether the user has asked for the run to end."""
        return self._is_made

    def __enter__(self) -> Self:
        self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _handle(self, _number: int, _frame: types.FrameType | None) -> None:
        if self._is_made:
            raise KeyboardInterrupt
        self._is_made = True
        self._console.print("Ending the run after this step; press Ctrl-C again to end it at once.")
