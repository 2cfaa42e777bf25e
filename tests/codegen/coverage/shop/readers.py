"""Reads the shop's events, one field in each way."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from shop._generated.channel import Payload
from shop._generated.orders import OrderPlacedPayload
from shop._generated.parcels import ParcelSentPayload

PayloadT = TypeVar("PayloadT", bound=Payload)


@dataclass(frozen=True)
class Told(Generic[PayloadT]):
    """A payload and when it was told."""

    payload: PayloadT


@dataclass(frozen=True)
class Lookalike:
    """A class that is no payload."""

    of_another: int


class Memory:
    """Remembers payloads."""

    def __init__(self, payloads: list[Payload]) -> None:
        self.payloads = payloads

    def of(self, payload_type: type[PayloadT]) -> list[PayloadT]:
        """Return those of one type."""
        return [payload for payload in self.payloads if isinstance(payload, payload_type)]


def read(
    known: ParcelSentPayload,
    some: Payload,
    told: Told[ParcelSentPayload],
    memory: Memory,
    many: dict[str, list[ParcelSentPayload | None]],
    either: ParcelSentPayload | Lookalike,
    anything: Any,
    other: Lookalike,
) -> Iterable[object]:
    """Read each field the way its name says."""
    yield known.by_annotation
    if isinstance(some, ParcelSentPayload):
        yield some.by_isinstance
    match some:
        case ParcelSentPayload(by_pattern=found):
            yield found
            yield some.by_match
    yield told.payload.by_generic
    yield f"{memory.of(ParcelSentPayload)[-1].by_method}"
    yield [item.by_item for items in many.values() for item in items if item]
    yield max(memory.of(ParcelSentPayload), key=lambda sent: sent.by_lambda)
    alias = known or told.payload
    yield alias.by_alias
    yield either.by_union if isinstance(either, ParcelSentPayload) else either.of_another
    yield asdict(known)
    yield [getattr(known, name) for name in ("by_name",)]
    yield anything.of_anything
    yield other.of_another
    if isinstance(known, int):
        yield known.never_reached


def read_untyped(memory: Memory):
    """Read without saying what is returned."""
    return [sent.by_untyped for sent in memory.of(ParcelSentPayload)]


def read_orders(orders: list[OrderPlacedPayload]) -> Iterable[object]:
    """Read an order's items, and who sold them."""
    for order in orders:
        yield order.shop_id
        yield [item.article for item in order.items]
