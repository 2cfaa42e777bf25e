"""Delivers events from the hub to one sink: in the emitting thread, or through a queue and a thread of its own."""

import threading
import time
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol, final

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper.leyline.interrupts import raised_by_signal_handler
from esper.leyline.text import describe_exception, printable
from esper.nissa.sink import Sink
from esper.nissa.stderr import warn


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStats:
    """Counts of a sink's events; each event emitted since it was attached is in exactly one of them."""

    name: str
    """Class name of the sink."""
    num_written: int
    """Events that the sink took without an exception."""
    num_failed: int
    """Events on which the sink raised."""
    num_dropped: int
    """Events that the sink was not given, because its queue was full or it had been closed."""
    num_waiting: int
    """Events still in the sink's queue; after the hub is closed, those that the sink did not take in time."""
    waiting_since_ns: int | None
    """Time of `time.monotonic_ns` of the oldest event that the sink has not taken; None if none waits."""
    is_open: bool
    """False once the sink has been closed, by the hub's end or after too many failures."""

    @property
    def num_missed(self) -> int:
        """Events that the sink has not processed: failed, dropped or waiting."""
        return self.num_failed + self.num_dropped + self.num_waiting


@final
class GuardedSink:
    """Calls a sink, catches and counts its exceptions, and closes it after too many in a row."""

    def __init__(self, sink: Sink, *, max_failures: int | None, has_thread: bool) -> None:
        """Guard `sink`; close it after `max_failures` exceptions in a row, or never when None.

        A sink that has a thread of its own is not interrupted by signal handlers: whatever comes out of it is its own.
        """
        self.sink = sink
        self.name = type(sink).__name__
        self.is_open = True
        self.num_written = 0
        self.num_failed = 0
        self.num_refused = 0
        self._max_failures = max_failures
        self._failures_in_a_row = 0
        self._has_thread = has_thread
        self._newest: Envelope | None = None

    @property
    def num_handled(self) -> int:
        """Events passed to `write`, whether the sink took them or not."""
        return self.num_written + self.num_failed + self.num_refused

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Pass one event to the sink; after the sink is closed, only count it. An event that arrives again is ignored.

        Raises:
            BaseException: a signal handler raised it; call again with the same event.
        """
        if envelope is self._newest:
            return
        if self.is_open:
            try:
                self.sink.write(envelope, payload)
            except BaseException as error:
                if raised_by_signal_handler(error) and not self._has_thread:
                    raise
                self._count_failure(error)
            else:
                self.num_written += 1
                if self._failures_in_a_row:
                    self._failures_in_a_row = 0
        else:
            self.num_refused += 1
        self._newest = envelope

    def close(self) -> None:
        """Close the sink; further calls do nothing."""
        if self.is_open:
            self.is_open = False
            try:
                self.sink.close()
            except BaseException as error:
                if raised_by_signal_handler(error) and not self._has_thread:
                    raise

    def _count_failure(self, error: BaseException) -> None:
        self.num_failed += 1
        self._failures_in_a_row += 1
        if isinstance(error, Exception):
            if self._failures_in_a_row != self._max_failures:
                return
            reason = f"{self._max_failures} failures in a row"
        else:
            # It asks for the end of more than the event: of the thread or the process, which is not the sink's to end.
            reason = type(error).__name__
        warn(
            f"{self.name} is closed after {reason};"
            f" training and the other sinks go on; the last failure: {printable(describe_exception(error))}"
        )
        self.close()


class Delivery(Protocol):
    """Passes a hub's events to one sink. Deadlines are times of `time.monotonic`, in seconds."""

    sink: GuardedSink

    @property
    def stats(self) -> SinkStats:
        """Counts of the sink's events so far."""

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Pass on one event; neither blocks on a queue nor raises errors of the sink.

        If a signal handler raises in the middle, the call is repeated, and does what is missing.
        """

    def flush(self, deadline: float) -> bool:
        """Wait until the sink has processed the events emitted so far; return False if the deadline came first."""

    def close(self, deadline: float) -> None:
        """Wait until the sink has processed its events and close it; after the deadline, go on without it."""

    def release(self) -> None:
        """Have the sink closed after its last event, without waiting for a queue."""


@final
class DirectDelivery:
    """Calls the sink in the emitting thread."""

    def __init__(self, sink: GuardedSink) -> None:
        """Deliver to `sink`."""
        self.sink = sink
        # Bound to the guard's own method, because one more call for every event would be measurable.
        self.write = sink.write

    @property
    def stats(self) -> SinkStats:
        """Counts of the sink's events so far."""
        return _stats(self.sink, num_dropped=0, num_waiting=0, waiting_since_ns=None)

    def flush(self, deadline: float) -> bool:
        """Return True: the sink has processed every event already."""
        return True

    def close(self, deadline: float) -> None:
        """Close the sink."""
        self.sink.close()

    def release(self) -> None:
        """Close the sink."""
        self.sink.close()


@final
class QueuedDelivery:
    """Puts events on a bounded queue, from which a thread passes them to the sink; drops events while it is full.

    The queue is a `SimpleQueue`, because a signal handler may emit in the middle of its `put`. A `SimpleQueue` has no
    bound of its own, so `write` checks the length.
    """

    def __init__(self, sink: GuardedSink, *, queue_size: int) -> None:
        """Start the thread; it is a daemon, so that a sink that hangs cannot keep the process alive."""
        self.sink = sink
        self._queue_size = queue_size
        self._queue: SimpleQueue[tuple[Envelope, Payload] | threading.Event | None] = SimpleQueue()
        # The numbers of a hub have no gaps, so the first and the newest say how many events there were. Counting them
        # one by one would be wrong after an interrupt, which makes an event arrive twice.
        self._first_seq: int | None = None
        self._next_seq = 0
        self._num_dropped = 0
        self._dropped: Envelope | None = None
        self._being_taken: Envelope | None = None
        self._is_abandoned = False
        self._thread = threading.Thread(target=self._work, name=f"esper-{sink.name}", daemon=True)
        self._thread.start()

    @property
    def stats(self) -> SinkStats:
        """Counts of the sink's events so far."""
        num_offered = 0 if self._first_seq is None else self._next_seq - self._first_seq
        waiting = num_offered - self._num_dropped - self.sink.num_handled
        oldest = self._being_taken
        return _stats(
            self.sink,
            num_dropped=self._num_dropped,
            num_waiting=waiting,
            waiting_since_ns=None if oldest is None else oldest.t_mono_ns,
        )

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Queue one event, or drop it if the queue is full."""
        if envelope is self._dropped:
            return
        if self._first_seq is None:
            self._first_seq = envelope.seq
        self._next_seq = envelope.seq + 1
        if self._queue.qsize() < self._queue_size:
            # If this is interrupted after `put`, the event is queued twice, and the thread ignores the second one.
            self._queue.put((envelope, payload))
        else:
            self._num_dropped += 1
            self._dropped = envelope

    def flush(self, deadline: float) -> bool:
        """Wait until the thread has processed the queue as it is now; return False if the deadline came first."""
        is_done = threading.Event()
        self._queue.put(is_done)
        return is_done.wait(_seconds_until(deadline))

    def close(self, deadline: float) -> None:
        """Wait until the thread has processed its queue; after the deadline, leave the rest unprocessed."""
        self._queue.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(_seconds_until(deadline))
        self._is_abandoned = True

    def release(self) -> None:
        """Have the thread close the sink and end once it has processed its queue."""
        self._queue.put(None)

    def _work(self) -> None:
        try:
            while (item := self._queue.get()) is not None and not self._is_abandoned:
                if isinstance(item, threading.Event):
                    item.set()
                else:
                    self._being_taken = item[0]
                    self.sink.write(*item)
                    self._being_taken = None
        finally:
            self.sink.close()


def _stats(
    sink: GuardedSink, *, num_dropped: int, num_waiting: int, waiting_since_ns: int | None
) -> SinkStats:
    return SinkStats(
        name=sink.name,
        num_written=sink.num_written,
        num_failed=sink.num_failed,
        num_dropped=sink.num_refused + num_dropped,
        num_waiting=num_waiting,
        waiting_since_ns=waiting_since_ns,
        is_open=sink.is_open,
    )


def _seconds_until(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
