"""Reads the shop's events, one field in each way."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from shop._generated.channel import Payload
from shop._generated.orders import OrderPlacedPayload
from shop._generated.parcels import ParcelSentPayload

PayloadT = TypeVar("PayloadT", bound=Payload)


@dataclass(frozen=True)
class Received(Generic[PayloadT]):
    """A generic container of a payload."""

    payload: PayloadT


@dataclass(frozen=True)
class Lookalike:
    """A class that is not a payload."""

    of_another: int


class Memory:
    """A list of payloads that can be filtered by type."""

    def __init__(self, payloads: list[Payload]) -> None:
        self.payloads = payloads

    def of(self, payload_type: type[PayloadT]) -> list[PayloadT]:
        """Return the payloads of one type."""
        return [payload for payload in self.payloads if isinstance(payload, payload_type)]


def read(
    known: ParcelSentPayload,
    some: Payload,
    received: Received[ParcelSentPayload],
    memory: Memory,
    many: dict[str, list[ParcelSentPayload | None]],
    either: ParcelSentPayload | Lookalike,
    anything: Any,
    other: Lookalike,
) -> Iterable[object]:
    """Read each field in the way that its name says."""
    yield known.by_annotation
    if isinstance(some, ParcelSentPayload):
        yield some.by_isinstance
    match some:
        case ParcelSentPayload(by_pattern=found):
            yield found
            yield some.by_match
    yield received.payload.by_generic
    yield f"{memory.of(ParcelSentPayload)[-1].by_method}"
    yield [item.by_item for items in many.values() for item in items if item]
    yield max(memory.of(ParcelSentPayload), key=lambda sent: sent.by_lambda)
    alias = known or received.payload
    yield alias.by_alias
    yield either.by_union if isinstance(either, ParcelSentPayload) else either.of_another
    yield asdict(known)
    yield [getattr(known, name) for name in ("by_name",)]
    yield anything.of_anything
    yield other.of_another
    if isinstance(known, int):
        yield known.never_reached


def read_untyped(memory: Memory):
    """Read a field in a function without a return annotation."""
    return [sent.by_untyped for sent in memory.of(ParcelSentPayload)]


def read_orders(orders: list[OrderPlacedPayload]) -> Iterable[object]:
    """Read a context field, and a field of a nested record."""
    for order in orders:
        yield order.shop_id
        yield [item.article for item in order.items]
