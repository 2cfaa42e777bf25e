"""How events go from the hub to one sink: at once, or through a queue and a thread of the sink's own."""

import threading
import time
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper.nissa.guard import Guard


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStats:
    """How a sink has fared; every event that reached the hub since it was attached is in one of the counts."""

    name: str
    num_written: int
    num_failed: int
    """Events that the sink raised on."""
    num_dropped: int
    """Events that it was not given: its queue was full, or it had been closed."""
    num_waiting: int
    """Events queued for it; after its end, those it never took."""
    is_open: bool

    @property
    def num_missed(self) -> int:
        """Events that the sink has not taken."""
        return self.num_failed + self.num_dropped + self.num_waiting


class Outlet(Protocol):
    """The way to one sink. Deadlines are on the clock of `time.monotonic`."""

    guard: Guard

    @property
    def stats(self) -> SinkStats:
        """How the sink has fared so far."""

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Pass one event on; neither waits nor raises."""

    def flush(self, deadline: float) -> bool:
        """Wait until the sink has seen every event so far; return whether it has."""

    def close(self, deadline: float) -> None:
        """Let the sink finish and close it; at the deadline leave it behind."""


class DirectOutlet:
    """Calls the sink in the thread that emits."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.write = guard.write

    @property
    def stats(self) -> SinkStats:
        """How the sink has fared so far."""
        return _stats(self.guard, num_dropped=0, num_waiting=0)

    def flush(self, deadline: float) -> bool:
        """Return True: the sink has seen every event."""
        return True

    def close(self, deadline: float) -> None:
        """Close the sink."""
        self.guard.close()


class QueuedOutlet:
    """Queues events for a thread that calls the sink; what finds the queue full is dropped.

    The queue is a `SimpleQueue` because a signal handler may emit in the middle of its `put`; it has no bound of
    its own, so the bound is kept here.
    """

    def __init__(self, guard: Guard, *, queue_size: int) -> None:
        """Start the thread; a daemon, so that a hanging sink cannot keep the process alive."""
        self.guard = guard
        self._queue_size = queue_size
        self._queue: SimpleQueue[tuple[Envelope, Payload] | threading.Event | None] = SimpleQueue()
        self._num_queued = 0
        self._num_dropped = 0
        self._is_abandoned = False
        self._thread = threading.Thread(target=self._work, name=f"esper-{guard.name}", daemon=True)
        self._thread.start()

    @property
    def stats(self) -> SinkStats:
        """How the sink has fared so far."""
        waiting = self._num_queued - self.guard.num_handled
        return _stats(self.guard, num_dropped=self._num_dropped, num_waiting=waiting)

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Queue one event."""
        if self._queue.qsize() < self._queue_size:
            self._num_queued += 1
            self._queue.put((envelope, payload))
        else:
            self._num_dropped += 1

    def flush(self, deadline: float) -> bool:
        """Wait until the thread has come to the end of what is queued now."""
        is_done = threading.Event()
        self._queue.put(is_done)
        return is_done.wait(_seconds_to(deadline))

    def close(self, deadline: float) -> None:
        """Let the thread come to its end, or leave it behind."""
        self._queue.put(None)
        self._thread.join(_seconds_to(deadline))
        self._is_abandoned = True

    def _work(self) -> None:
        while (item := self._queue.get()) is not None and not self._is_abandoned:
            if isinstance(item, threading.Event):
                item.set()
            else:
                self.guard.write(*item)
        self.guard.close()


def _stats(guard: Guard, *, num_dropped: int, num_waiting: int) -> SinkStats:
    return SinkStats(
        name=guard.name,
        num_written=guard.num_written,
        num_failed=guard.num_failed,
        num_dropped=guard.num_refused + num_dropped,
        num_waiting=num_waiting,
        is_open=guard.is_open,
    )


def _seconds_to(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
