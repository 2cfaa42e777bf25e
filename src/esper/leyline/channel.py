"""The channel that telemetry is emitted on: a bound context, whether anybody listens, and the way out.

Whoever loops binds the context (`bind` for a part of the run that has its own, `advance` as time goes on); whoever
emits only hands the channel to a generated helper. The channel does not know where payloads go: its transport,
the hub, carries them and keeps `listening` current.
"""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import Any, Protocol

from esper._generated.channel import Context, Payload
from esper._generated.checks import ContractError
from esper._generated.telemetry import TelemetryRejectedPayload, emit_telemetry_rejected

_MAX_EVENT = 128
_MAX_FIELD = 128
_MAX_TEXT = 512
"""Lengths that the contract allows TELEMETRY_REJECTED; a test holds them against it."""


class Transport(Protocol):
    """Carries the payloads of its channels."""

    def connect(self, channel: TelemetryChannel) -> None:
        """Keep the channel's `listening` current from now on, without keeping the channel alive."""

    def deliver(self, context: Context, payload: Payload) -> None:
        """Carry one payload; neither waits for a reader nor raises."""


class TelemetryChannel:
    """A way out for payloads, with the context that they are stamped with.

    Attributes:
        context: what is bound; replaced by `advance`.
        listening: whether anybody listens; the transport keeps it current.
        num_rejected: events that failed their check here.
    """

    __slots__ = ("__weakref__", "_strict", "_transport", "context", "listening", "num_rejected")

    def __init__(self, transport: Transport, context: Context, *, strict: bool = False) -> None:
        """Connect to `transport`; a strict channel raises what fails its check, as tests want it."""
        self._transport = transport
        self._strict = strict
        self.context = context
        self.listening = False
        self.num_rejected = 0
        transport.connect(self)

    def bind(self, **changes: Any) -> TelemetryChannel:
        """Return another channel on the same transport whose context differs by `changes`."""
        return TelemetryChannel(
            self._transport, replace(self.context, **changes), strict=self._strict
        )

    def advance(self, **changes: Any) -> None:
        """Change the context for everybody who holds this channel; channels bound from it keep theirs."""
        self.context = replace(self.context, **changes)

    def send(self, payload: Payload) -> None:
        """Hand a payload to the transport."""
        self._transport.deliver(self.context, payload)

    def reject(self, event: str, error: Exception) -> None:
        """Note that `event` could not be built; called by the generated helpers, so that training goes on.

        Counts it and emits TELEMETRY_REJECTED, but never about TELEMETRY_REJECTED itself.

        Raises:
            Exception: `error`, when the channel is strict.
        """
        if self._strict:
            raise error
        self.num_rejected += 1
        if event == TelemetryRejectedPayload.EVENT:
            return
        field, rule, got = _explain(error)
        emit_telemetry_rejected(
            self,
            event=_shorten(event, _MAX_EVENT),
            field=None if field is None else _shorten(field, _MAX_FIELD),
            rule=_shorten(rule, _MAX_TEXT),
            got=_shorten(got, _MAX_TEXT),
        )


def _explain(error: Exception) -> tuple[str | None, str, str]:
    """Return field, rule and what was got; an error that is not the contract's came from the source."""
    if isinstance(error, ContractError):
        return error.field, error.rule, error.got
    # An exception whose own `__str__` raises is no reason to fail here.
    got = "".join(traceback.format_exception_only(error)).strip()
    return None, "must be readable from its source", got


def _shorten(text: str, max_length: int) -> str:
    """Return text that fits and can be written as UTF-8."""
    writable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return writable if len(writable) <= max_length else writable[: max_length - 3] + "..."


class _Nobody:
    """A transport without a listener."""

    def connect(self, channel: TelemetryChannel) -> None:
        """Leave the channel silent for good."""

    def deliver(self, context: Context, payload: Payload) -> None:
        """Forget the payload."""


SILENT = TelemetryChannel(_Nobody(), Context())
"""A channel that nobody listens to: what slots and governors hold until they are given another."""
