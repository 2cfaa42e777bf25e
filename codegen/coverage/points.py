"""Coverage points: declared events and fields, each measured in one way."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..contract.model import Contract, Event, Field, FromContext, Record, Value
from ..contract.wire_paths import walk_records
from ..diagnostics.findings import Span

Measure = Literal["emitted", "noticed", "read", "varied", "seen", "moved"]
"""The ways to measure coverage.

In the code: an event is emitted; any field of it is read; a field is read; a field is given more than one constant.
In a log: an event occurs; a field has another value than its default, null or an empty collection.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An event or field, whether one measure covers it, and where."""

    measure: Measure
    name: str
    span: Span
    is_covered: bool
    places: tuple[Span, ...] = ()
    """The places in the code that cover it."""
    only_value: str = ""
    """The only value that a field has, where it is not covered for that reason."""

    @property
    def owner(self) -> str:
        """Name of the event or record that it belongs to, or `context`."""
        return self.name.partition(".")[0]


def live_events(contract: Contract) -> list[Event]:
    """Return the events that should be in use: those that are neither deprecated nor retired."""
    return [event for event in contract.events if not event.deprecated and not event.retired]


def own_fields(owner: Event | Record) -> Iterator[Value]:
    """Yield the fields of an owner that should be in use; those that the context sets are declared apart."""
    for value in owner.fields:
        is_context = isinstance(value, Field) and isinstance(value.capture, FromContext)
        if not value.deprecated and not is_context:
            yield value


def nested_records(contract: Contract) -> list[Record]:
    """Return the records that events contain; other records are never serialized."""
    found = {
        record.name: record
        for event in live_events(contract)
        for _, record in walk_records(event.fields)
    }
    return list(found.values())
