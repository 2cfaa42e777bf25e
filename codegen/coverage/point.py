"""Points of coverage: things that the contract declares, each looked at one way."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..contract.model import Contract, Event, Field, FromContext, Record, RecordType, Value
from ..diagnostics.findings import Span

Measure = Literal["emitted", "noticed", "read", "varied", "seen", "moved"]
"""What is looked at: that the code emits an event, reads any field of it, reads a field, gives a field more than one
constant; that a log holds an event, and a field that is not at rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Something declared: whether it is covered by one measure, where, and if not, what there is instead."""

    measure: Measure
    name: str
    span: Span
    is_covered: bool
    places: tuple[Span, ...] = ()
    instead: str = ""

    @property
    def owner(self) -> str:
        """The event or record it belongs to, or `context`."""
        return self.name.partition(".")[0]


def live_events(contract: Contract) -> list[Event]:
    """Return the events that should be in use: all that are neither deprecated nor retired."""
    return [event for event in contract.events if not event.deprecated and not event.retired]


def own_fields(owner: Event | Record) -> Iterator[Value]:
    """Go through the fields that should be in use and are not the context's, which is declared apart."""
    for value in owner.fields:
        is_context = isinstance(value, Field) and isinstance(value.capture, FromContext)
        if not value.deprecated and not is_context:
            yield value


def nested_records(contract: Contract) -> list[Record]:
    """Return the records that events hold; others do not leave the process."""
    found: dict[str, Record] = {}
    waiting: list[Value] = [value for event in live_events(contract) for value in event.fields]
    while waiting:
        of = waiting.pop(0).innermost
        if isinstance(of, RecordType) and of.record.name not in found:
            found[of.record.name] = of.record
            waiting.extend(of.record.fields)
    return list(found.values())
