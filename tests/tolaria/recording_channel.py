"""A channel for tests that keeps every payload."""

from typing import TypeVar

from esper._generated.channel import Context, Payload

PayloadT = TypeVar("PayloadT", bound=Payload)


class RecordingChannel:
    """Keeps every payload, and raises if a payload is invalid."""

    def __init__(self) -> None:
        self.listening = True
        self.context = Context(env_id=0)
        self.payloads: list[Payload] = []

    def send(self, payload: Payload) -> None:
        self.payloads.append(payload)

    def reject(self, event: str, error: Exception) -> None:
        raise error

    def of(self, payload_type: type[PayloadT]) -> list[PayloadT]:
        return [payload for payload in self.payloads if isinstance(payload, payload_type)]

    @property
    def events(self) -> list[str]:
        return [payload.EVENT.removeprefix("GOVERNOR_") for payload in self.payloads]
