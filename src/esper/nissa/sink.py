"""What a sink is, and how the hub may treat it."""

from typing import Protocol

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope


class Sink(Protocol):
    """Receives every event of a hub.

    A sink may be slow and may fail: the hub calls it in a thread of its own, behind a bounded queue, and what it
    raises stays with the hub.
    """

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Take one event; called in order, by one thread at a time."""

    def close(self) -> None:
        """Release what the sink holds; called once, after the last event."""


class Immediate:
    """Marks a sink that neither waits nor fails, so that the hub may call it in the thread that emits.

    Such a sink has an event before the emitting helper returns, and never misses one.
    """
