"""A sink that keeps events in memory, for tests and notebooks."""

from typing import TypeVar, final

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper.nissa.sink import SynchronousSink

_PayloadT = TypeVar("_PayloadT", bound=Payload)


@final
class MemorySink(SynchronousSink):
    """Keeps every event; an event is there when its emission helper returns, also after the hub is closed.

    Attributes:
        events: envelope and payload of each event, in order.
    """

    def __init__(self) -> None:
        """Start without events."""
        self.events: list[tuple[Envelope, Payload]] = []

    @property
    def payloads(self) -> list[Payload]:
        """The payloads of all events, in order."""
        return [payload for _, payload in self.events]

    def of(self, payload_type: type[_PayloadT]) -> list[_PayloadT]:
        """Return the payloads of one type, in order: `memory.of(SeedPrunedPayload)`."""
        return [payload for payload in self.payloads if isinstance(payload, payload_type)]

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Keep one event; do nothing if it is the newest already, which an interrupt may cause."""
        if not self.events or self.events[-1][0] is not envelope:
            self.events.append((envelope, payload))

    def close(self) -> None:
        """Do nothing; the events stay readable."""
