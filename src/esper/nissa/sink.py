"""The interface of sinks, the objects that receive a hub's events."""

from abc import ABC, abstractmethod
from typing import Protocol

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope


class Sink(Protocol):
    """Receives every event of the hub that it is attached to.

    A sink may be slow and may raise. The hub calls it in a thread of its own, through a bounded queue; it catches and
    counts exceptions, and closes the sink after `HubConfig.max_failures` of them in a row. An event that finds the
    queue full is dropped for this sink only.
    """

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Process one event. Events arrive in the order of `envelope.seq`, from one thread at a time."""

    def close(self) -> None:
        """Release the sink's resources; called once, after the last event."""


class SynchronousSink(ABC):
    """Base class of sinks that the hub calls in the emitting thread, before the emission helper returns.

    Such a sink misses no event, and training waits while `write` runs: only inherit from it if `write` takes
    microseconds. Exceptions are caught and counted too, but never close the sink.
    """

    @abstractmethod
    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Process one event. Events arrive in the order of `envelope.seq`, from one thread at a time."""

    @abstractmethod
    def close(self) -> None:
        """Release the sink's resources; called once, after the last event."""
