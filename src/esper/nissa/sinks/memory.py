"""A sink that remembers, for tests and notebooks."""

from typing import TypeVar

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper.nissa.sink import Immediate

_PayloadT = TypeVar("_PayloadT", bound=Payload)


class MemorySink(Immediate):
    """Keeps every event.

    Attributes:
        records: envelope and payload of each event, in order.
    """

    def __init__(self) -> None:
        self.records: list[tuple[Envelope, Payload]] = []

    @property
    def payloads(self) -> list[Payload]:
        """The payloads, in order."""
        return [payload for _, payload in self.records]

    def of(self, payload_type: type[_PayloadT]) -> list[_PayloadT]:
        """Return the payloads of one type: `memory.of(SeedPrunedPayload)`."""
        return [payload for payload in self.payloads if isinstance(payload, payload_type)]

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Keep one event."""
        self.records.append((envelope, payload))

    def close(self) -> None:
        """Keep everything readable."""
