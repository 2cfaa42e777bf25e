"""The interface of sinks, the objects that receive a hub's events."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper.leyline.arguments import check_methods, describe
from esper.leyline.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOrigin:
    """The hub that a sink is attached to, and how far its numbers have come."""

    run_id: str
    """Id of the run."""
    rank: int
    """Rank of the process."""
    boot: str
    """Random id of the hub."""
    first_seq: int
    """Number of the hub's first event; above 0 if it resumes a run."""
    next_seq: int
    """Number of the hub's next event."""


class Sink(Protocol):
    """Receives every event of the hub that it is attached to.

    A sink may be slow and may raise. The hub calls it in a thread of its own, through a bounded queue; it catches and
    counts exceptions, and closes the sink after `HubConfig.max_failures` of them in a row, or after one that is not an
    `Exception`, such as `SystemExit`. An event that finds the queue full is dropped for this sink only.
    """

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Process one event. Events arrive in the order of `envelope.seq`, from one thread at a time."""

    def close(self) -> None:
        """Release the sink's resources; called once, after the last event."""


class SynchronousSink(ABC):
    """Base class of sinks that the hub calls in the emitting thread, before the emission helper returns.

    Such a sink misses no event, and training waits while `write` runs: only inherit from it if `write` takes
    microseconds. Exceptions are caught and counted too, but never close the sink.

    A signal handler may raise in the middle of `write` (Ctrl-C, a timeout). The hub then calls `write` again with the same
    envelope before it passes the exception on: a sink that has taken the event already should do nothing.
    """

    def open(self, origin: EventOrigin) -> int:
        """Prepare for the events of a hub, which attaches this sink; return the number that its next event gets.

        Usually that is `origin.next_seq`; a sink that continues what is there may return a higher one before the hub's
        first event.
        """
        return origin.next_seq

    @abstractmethod
    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Process one event. Events arrive in the order of `envelope.seq`, from one thread at a time."""

    @abstractmethod
    def close(self) -> None:
        """Release the sink's resources; called once, after the last event."""


def check_sink(sink: object) -> None:
    """Check that `sink` has the methods of a sink.

    Raises:
        UsageError: it lacks one, or is a class.
    """
    remedy = "pass objects such as esper.MemorySink()"
    check_methods("a sink", sink, ("write", "close"), remedy, error=UsageError)


def check_sinks(sinks: object) -> tuple[Sink, ...]:
    """Return `sinks`, any iterable of sinks, as a tuple.

    Raises:
        UsageError: it is not iterable, or holds something else than sinks.
    """
    if not isinstance(sinks, Iterable):
        raise UsageError(f"sinks must be a list of sinks, got {describe(sinks)}; write [sink]")
    checked = tuple(sinks)
    for sink in checked:
        check_sink(sink)
    return checked
