"""Coverage of a contract by code: emitted events, read fields, and fields that are given more than one constant."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..contract.model import Contract, Event, Field, FromCaller, FromSource, Record, Value
from ..diagnostics.findings import Findings, Span
from ..languages.python.modules import helper_name
from .code_scan import Call, Uses, scan
from .points import Point, live_events, nested_records, own_fields

DIRECT_CONSTRUCTION = "COV010"


def measure_code(contract: Contract, package: str, root: Path, findings: Findings) -> list[Point]:
    """Scan the code below `root`, except the generated `package`, and return its coverage of the contract.

    Payloads that are constructed without an emission helper are added to `findings`.

    Raises:
        ScanError: the code cannot be scanned.
    """
    names = _DottedNames(package)
    events = live_events(contract)
    records = nested_records(contract)
    owners: list[Event | Record] = [*events, *records]
    uses = scan(
        root,
        package,
        helpers={names.helper(event) for event in events},
        fields={names.field(owner, value) for owner in owners for value in owner.fields},
    )
    _find_direct_constructions(contract, names, uses, findings)
    return [
        *_emitted(events, names, uses),
        *_noticed(events, names, uses),
        *_read(owners, names, uses),
        *_context_read(contract, names, uses),
        *_varied_events(events, names, uses),
        *_varied_records(records, names, uses),
    ]


class _DottedNames:
    """The dotted Python names of the helpers, classes and fields of a contract."""

    def __init__(self, package: str) -> None:
        self._package = package

    def helper(self, event: Event) -> str:
        """Return the name of the emission helper of an event."""
        return f"{self._package}.{event.family}.{helper_name(event)}"

    def owner(self, owner: Event | Record) -> str:
        """Return the name of the class of a payload or record."""
        if isinstance(owner, Event):
            return f"{self._package}.{owner.family}.{owner.payload}"
        return f"{self._package}.records.{owner.name}"

    def field(self, owner: Event | Record, value: Value) -> str:
        """Return the name of a field of a payload or record."""
        return f"{self.owner(owner)}.{value.name}"


def _find_direct_constructions(
    contract: Contract, names: _DottedNames, uses: Uses, findings: Findings
) -> None:
    for event in contract.events:
        for place in uses.constructions.get(names.owner(event), ()):
            message = f"{event.payload} is constructed directly"
            findings.add(place, DIRECT_CONSTRUCTION, message, f"call {helper_name(event)} instead")


def _emitted(events: Iterable[Event], names: _DottedNames, uses: Uses) -> Iterator[Point]:
    for event in events:
        places = tuple(sorted(uses.emissions.get(names.helper(event), {})))
        yield Point(
            measure="emitted",
            name=event.name,
            span=event.span,
            is_covered=bool(places),
            places=places,
        )


def _noticed(events: Iterable[Event], names: _DottedNames, uses: Uses) -> Iterator[Point]:
    for event in events:
        is_noticed = any(names.field(event, value) in uses.reads for value in event.fields)
        yield Point(measure="noticed", name=event.name, span=event.span, is_covered=is_noticed)


def _read(owners: Iterable[Event | Record], names: _DottedNames, uses: Uses) -> Iterator[Point]:
    for owner in owners:
        for value in own_fields(owner):
            places = tuple(sorted(uses.reads.get(names.field(owner, value), ())))
            yield _read_point(f"{owner.name}.{value.name}", value.span, places)


def _context_read(contract: Contract, names: _DottedNames, uses: Uses) -> Iterator[Point]:
    for value in contract.context:
        if value.place == "payload" and not value.deprecated:
            reads = [uses.reads.get(names.field(one, value), set()) for one in contract.events]
            places = tuple(sorted(set().union(*reads)))
            yield _read_point(f"context.{value.name}", value.span, places)


def _read_point(name: str, span: Span, places: tuple[Span, ...]) -> Point:
    return Point(measure="read", name=name, span=span, is_covered=bool(places), places=places)


def _varied_events(events: Iterable[Event], names: _DottedNames, uses: Uses) -> Iterator[Point]:
    """Measure the fields of emitted events; an event that is not emitted is reported once, and not for each field."""
    for event in events:
        calls = uses.emissions.get(names.helper(event), {}).values()
        for value in own_fields(event) if calls else ():
            assert isinstance(value, Field)
            yield _varied_point(event.name, value, _values_of(value, calls, uses))


def _varied_records(records: Iterable[Record], names: _DottedNames, uses: Uses) -> Iterator[Point]:
    for record in records:
        calls = uses.constructions.get(names.owner(record), {}).values()
        for value in own_fields(record) if calls else ():
            yield _varied_point(record.name, value, _given(value.name, calls))


def _values_of(field: Field, calls: Iterable[Call], uses: Uses) -> set[str | None]:
    """Return the constants that a field is given, and None for any other expression."""
    match field.capture:
        case FromCaller():
            return _given(field.name, calls)
        case FromSource(attribute):
            return {value for call in calls for value in _held_by(call.sources, attribute, uses)}
        case _:
            return {None}


def _held_by(classes: tuple[str, ...], attribute: str, uses: Uses) -> set[str | None]:
    """Return the constants that an attribute of a source is given in constructions; None stands for other values."""
    held: set[str | None] = set()
    for name in classes:
        held |= _given(attribute, uses.constructions.get(name, {}).values()) or {None}
    return held or {None}


def _given(parameter: str, calls: Iterable[Call]) -> set[str | None]:
    return {call.arguments[parameter] for call in calls if parameter in call.arguments}


def _varied_point(owner: str, value: Value, given: set[str | None]) -> Point:
    is_constant = len(given) == 1 and None not in given
    return Point(
        measure="varied",
        name=f"{owner}.{value.name}",
        span=value.span,
        is_covered=not is_constant,
        only_value=" ".join(text for text in given if text),
    )
