"""Emits the shop's events."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import shop._generated.parcels as parcels
from shop._generated.channel import Channel
from shop._generated.enums import Way
from shop._generated.orders import OrderLostPayload
from shop._generated.orders import emit_order_placed as tell
from shop._generated.records import Item


@dataclass(frozen=True)
class Order:
    """Satisfies OrderSource."""

    customer: str
    currency: str = "EUR"
    items: tuple[Item, ...] = ()
    gifts: tuple[Item, ...] = ()
    wrapping: str = "paper"

    @property
    def greeting(self) -> str:
        """Return what might be anything."""
        return "hello"


@dataclass
class Parcel:
    """Satisfies ParcelSource; it may change after it was built."""

    size: int = 0


def sell(channel: Channel, customer: str, article: str) -> None:
    """Sell something at the counter."""
    items = (Item(article=article, number=1, hint=None),)
    order = replace(Order(customer, "EUR"), items=items)
    tell(channel, order, way=Way.COUNTER, desk="left", haste=len(customer))


def sell_again(channel: Channel, customer: str, article: str) -> None:
    """Sell more of it."""
    gifts = (Item(article=article, number=1, hint="to " + customer),)
    tell(
        channel,
        Order(customer=customer, currency="EUR", gifts=gifts),
        way=Way.COUNTER,
        desk="right",
        haste=1,
    )


def send(channel: Channel) -> None:
    """Send a parcel, and get it back."""
    parcels.emit_parcel_sent(channel, Parcel())
    parcels.emit_parcel_returned(channel, reason=input())


def lose(make: Callable[[OrderLostPayload], None]) -> None:
    """Build a payload by hand."""
    make(OrderLostPayload(reason="by hand"))
