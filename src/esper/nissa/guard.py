"""Keeps the failures of a sink away from everybody else."""

import traceback
from collections.abc import Callable

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper.leyline.text import printable
from esper.nissa.notice import say
from esper.nissa.sink import Sink


class Guard:
    """Calls a sink, keeps what it raises, counts, and gives up on a sink that only fails."""

    def __init__(self, sink: Sink, *, max_failures: int | None) -> None:
        """Guard `sink`; `max_failures` in a row close it, None never does."""
        self.sink = sink
        self.name = type(sink).__name__
        self.is_open = True
        self.num_written = 0
        self.num_failed = 0
        self.num_refused = 0
        self._max_failures = max_failures
        self._failures_in_a_row = 0

    @property
    def num_handled(self) -> int:
        """Events that it has been given, whatever came of them."""
        return self.num_written + self.num_failed + self.num_refused

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Give the sink one event, unless it has been closed."""
        if not self.is_open:
            self.num_refused += 1
            return
        error = self._attempt(self.sink.write, envelope, payload)
        if error is None:
            self.num_written += 1
            self._failures_in_a_row = 0
            return
        self.num_failed += 1
        self._failures_in_a_row += 1
        if self._failures_in_a_row == self._max_failures:
            say(
                f"{self.name} is closed after {self._max_failures} failures in a row;"
                f" training and the other sinks go on; the last failure: {_one_line(error)}"
            )
            self.close()

    def close(self) -> None:
        """Close the sink, once."""
        if self.is_open:
            self.is_open = False
            self._attempt(self.sink.close)

    def _attempt(self, action: Callable[..., None], *arguments: object) -> Exception | None:
        try:
            action(*arguments)
        except Exception as error:
            return error
        return None


def _one_line(error: Exception) -> str:
    return printable("".join(traceback.format_exception_only(error)).strip())
