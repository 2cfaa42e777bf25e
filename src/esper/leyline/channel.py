"""The channel through which telemetry is emitted.

A channel holds the context (env, rank, epoch) that every payload is stamped with, and the flag `listening`. The
training loop sets the context: `bind` makes a channel for one part of the run, such as an environment, and `advance`
sets the next epoch. Slots, governor and loop pass their channel to the generated emission helpers, which send through it.
The transport, usually a `Hub`, decides where payloads go, and sets `listening`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, final

from esper._generated.channel import Channel, Context, Payload
from esper._generated.checks import ContractError
from esper._generated.telemetry import TelemetryRejectedPayload, emit_telemetry_rejected
from esper.leyline.arguments import check_methods
from esper.leyline.interrupts import raised_by_signal_handler
from esper.leyline.text import describe_exception, encodable, shorten

_MAX_EVENT = 128
_MAX_FIELD = 128
_MAX_TEXT = 512
"""Most characters that the contract allows in the fields of TELEMETRY_REJECTED; a test compares them with it."""


class Transport(Protocol):
    """Carries the payloads of the channels that are connected to it."""

    def connect(self, channel: TelemetryChannel) -> None:
        """Keep the channel's `listening` up to date from now on; hold the channel by a weak reference only."""

    def deliver(self, context: Context, payload: Payload) -> None:
        """Carry one payload. Must not block until a reader has taken it, and raise only what a signal handler raised."""


@final
class TelemetryChannel:
    """Sends payloads to a transport, stamped with the bound context; made by `Hub.channel`.

    Attributes:
        context: the values that payloads and envelopes are stamped with; `advance` replaces it.
        listening: whether an emitted event reaches at least one sink. While False, emission helpers return at once.
        num_rejected: events emitted on this channel that broke the contract and were not sent.
    """

    __slots__ = ("__weakref__", "_strict", "_transport", "context", "listening", "num_rejected")

    def __init__(self, transport: Transport, context: Context, *, strict: bool = False) -> None:
        """Connect to `transport`. With `strict`, an event that breaks the contract raises where it is emitted."""
        self._transport = transport
        self._strict = strict
        self.context = context
        self.listening = False
        self.num_rejected = 0
        transport.connect(self)

    def bind(self, **changes: Any) -> TelemetryChannel:
        """Return a new channel on the same transport, with `changes` applied to its context: `bind(env_id=3)`.

        Raises:
            ContractError: a value breaks the contract.
            TypeError: the context has no such field.
        """
        return TelemetryChannel(
            self._transport, replace(self.context, **changes), strict=self._strict
        )

    def advance(self, **changes: Any) -> None:
        """Apply `changes` to this channel's context: `advance(epoch=4)`.

        Every holder of this channel emits with the new context; channels made from it by `bind` keep theirs.

        Raises:
            ContractError: a value breaks the contract; the context has not changed.
            TypeError: the context has no such field.
        """
        self.context = replace(self.context, **changes)

    def send(self, payload: Payload) -> None:
        """Pass a payload to the transport; called by the emission helpers."""
        self._transport.deliver(self.context, payload)

    def reject(self, event: str, error: Exception) -> None:
        """Count an `event` that could not be built and emit TELEMETRY_REJECTED; called by the emission helpers.

        A rejected TELEMETRY_REJECTED is only counted, so rejections cannot repeat without end.

        Raises:
            Exception: `error`, if the channel is strict, or if a signal handler raised it while the event was built.
        """
        if self._strict or raised_by_signal_handler(error):
            raise error
        self.num_rejected += 1
        if event == TelemetryRejectedPayload.EVENT:
            return
        field, rule, got = _explain(error)
        emit_telemetry_rejected(
            self,
            event=_fit(event, _MAX_EVENT),
            field=None if field is None else _fit(field, _MAX_FIELD),
            rule=_fit(rule, _MAX_TEXT),
            got=_fit(got, _MAX_TEXT),
        )


def _explain(error: Exception) -> tuple[str | None, str, str]:
    """Return the field, the rule and the rejected value.

    An error that is not a ContractError was raised by the source, when the helper read its attributes.
    """
    if isinstance(error, ContractError):
        return error.field, error.rule, error.got
    return None, "must be readable from its source", describe_exception(error)


def _fit(text: str, max_length: int) -> str:
    """Return `text` with lone surrogates escaped, so that it can be encoded as UTF-8, and shortened."""
    return shorten(encodable(text), max_length)


@final
class _NullTransport:
    """Discards every payload."""

    def connect(self, channel: TelemetryChannel) -> None:
        """Leave `listening` False."""

    def deliver(self, context: Context, payload: Payload) -> None:
        """Discard the payload."""


SILENT = TelemetryChannel(_NullTransport(), Context())
"""A channel without a listener; slots and governors use it until they are given another."""


@final
class ChannelAttribute:
    """An attribute of a class that holds a channel: `channel = ChannelAttribute()`.

    A hub or a run given in its place is refused when it is set; the first event, in the middle of training, would fail
    otherwise. The channel is in the instance's `__dict__`, under the attribute's name.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the name of the attribute."""
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Channel:
        """Return the channel."""
        if instance is None:
            raise AttributeError(f"{owner.__name__}.{self._name} is an attribute of instances")
        channel: Channel = instance.__dict__[self._name]
        return channel

    def __set__(self, instance: Any, channel: Channel) -> None:
        """Set the channel.

        Raises:
            ValueError: it is not a channel.
        """
        remedy = "pass hub.channel(env_id=0), or the `channel` of a run"
        check_methods("a channel", channel, _CHANNEL_METHODS, remedy)
        instance.__dict__[self._name] = channel


_CHANNEL_METHODS = ("listening", "context", "send", "reject")
