"""Emits the shop's events."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import shop._generated.parcels as parcels
from shop._generated.channel import Channel
from shop._generated.enums import Way
from shop._generated.orders import OrderLostPayload
from shop._generated.orders import emit_order_placed as emit
from shop._generated.records import Item


@dataclass(frozen=True)
class Order:
    """Has the attributes of OrderSource."""

    customer: str
    currency: str = "EUR"
    items: tuple[Item, ...] = ()
    gifts: tuple[Item, ...] = ()
    wrapping: str = "paper"

    @property
    def greeting(self) -> str:
        """Return a text that the scan cannot know."""
        return "hello"


@dataclass
class Parcel:
    """Has the attributes of ParcelSource; not frozen, so they may change after construction."""

    size: int = 0


def sell(channel: Channel, customer: str, article: str) -> None:
    """Emit an order with a constant way and desk."""
    items = (Item(article=article, number=1, hint=None),)
    order = replace(Order(customer, "EUR"), items=items)
    emit(channel, order, way=Way.COUNTER, desk="left", haste=len(customer))


def sell_again(channel: Channel, customer: str, article: str) -> None:
    """Emit an order with the same way, another desk and a computed gift."""
    gifts = (Item(article=article, number=1, hint="to " + customer),)
    emit(
        channel,
        Order(customer=customer, currency="EUR", gifts=gifts),
        way=Way.COUNTER,
        desk="right",
        haste=1,
    )


def send(channel: Channel) -> None:
    """Emit an event with a source that is not frozen, and one with a computed argument."""
    parcels.emit_parcel_sent(channel, Parcel())
    parcels.emit_parcel_returned(channel, reason=input())


def lose(make: Callable[[OrderLostPayload], None]) -> None:
    """Construct a payload without its emission helper."""
    make(OrderLostPayload(reason="by hand"))
