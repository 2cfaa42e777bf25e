"""Signals as requests: the first one ends a run in order, the second one at once.

Ctrl-C (SIGINT), `kill` and job schedulers (SIGTERM) and a closed terminal (SIGHUP) are treated alike.
"""

import contextlib
import os
import signal
import threading
import types
from collections.abc import Callable
from typing import Self, final

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
_NAMES = {signal.SIGINT: "Ctrl-C"}


def exit_code(number: int) -> int:
    """Return the exit code of a process that a signal has ended, by the convention of shells: 130 for Ctrl-C."""
    return 128 + number


@final
class StopAtOnce(KeyboardInterrupt):
    """Raised in the main thread by the second signal.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        """Remember the signal."""
        super().__init__(signal.Signals(number).name)
        self.number = number


@final
class StopRequest:
    """Handles SIGINT, SIGTERM and SIGHUP within its `with` block, if that runs in the main thread.

    Once training asks `is_made`, the first signal only makes that true, the second raises `StopAtOnce`. Before training
    there is nothing to end in order, so the first one raises. The one after that ends the process. Signals that are
    ignored, as SIGHUP is under `nohup`, stay ignored.

    Attributes:
        number: the first signal; None before it.
    """

    def __init__(self, announce: Callable[[str], None], *, is_polite: bool = False) -> None:
        """Call `announce` with one line when the first signal arrives; what it raises is ignored.

        A polite request leaves signals alone for which the program has a handler of its own, and sends the first
        signal again when the block has ended, so that it has its usual effect once the run is saved.
        """
        self.number: int | None = None
        self._announce = announce
        self._is_polite = is_polite
        self._previous: dict[int, signal.Handlers | Callable[..., object] | int | None] = {}
        self._is_training = False
        self._has_raised = False

    def is_made(self) -> bool:
        """Return whether the run shall end; the training loop asks this before every step."""
        self._is_training = True
        return self.number is not None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if self._may_handle(signal.getsignal(number)):
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._is_polite and self.number is not None:
            signal.raise_signal(self.number)

    def _may_handle(self, handler: object) -> bool:
        # None: the handler was not installed from Python, so it could not be restored.
        if handler in (signal.SIG_IGN, None):
            return False
        return handler in _DEFAULTS or not self._is_polite

    def _handle(self, number: int, _frame: types.FrameType | None) -> None:
        if self._has_raised:
            # The process has not ended by itself, perhaps because it waits for a disk.
            os._exit(exit_code(number))
        is_first = self.number is None
        if is_first:
            self.number = number
        if not is_first or not self._is_training:
            self._has_raised = True
            raise StopAtOnce(number)
        name = _NAMES.get(signal.Signals(number), signal.Signals(number).name)
        # The terminal may be gone, and the main thread may be in the middle of printing.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self._announce(f"Ending the run after this step; {name} again ends it at once.")
