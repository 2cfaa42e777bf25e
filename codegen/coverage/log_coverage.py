"""Coverage of a contract by a log: which events occur, and which fields have informative values."""

from collections import Counter
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any

from ..contract.bind import quote
from ..contract.model import (
    Contract,
    Event,
    Field,
    FromContext,
    ListType,
    MapType,
    Record,
    RecordType,
    Type,
    Value,
)
from ..diagnostics.errors import CodegenError
from .points import Point, live_events, nested_records, own_fields

_MAX_LINE_BYTES = 2**26
Decode = Callable[[bytes], tuple[Any, Any]]


class LogError(CodegenError):
    """The log cannot be used; the message says why."""


def measure_log(contract: Contract, decode: Decode, log: Path) -> list[Point]:
    """Read the log at `log`, a file of JSON lines or a folder of such files; return its coverage of the contract.

    `decode` is `decode_line` of the generated package, which validates the lines. An incomplete last line is ignored.

    Raises:
        LogError: there is no log, it is not valid, or the generated code is not up to date with the contract.
    """
    observer = _Observer(contract)
    for payload in _read_payloads(log, decode):
        observer.observe(payload)
    if not observer.counts:
        raise LogError(
            f"a log must hold events, but {log} has no complete line; run the program first"
        )
    return [*_seen(contract, observer), *_moved(contract, observer)]


def _read_payloads(log: Path, decode: Decode) -> Iterator[Any]:
    for path in sorted(log.rglob("*.jsonl")) if log.is_dir() else [log]:
        if path.exists() and not path.is_file():
            raise LogError(f"a log must be a file or a folder of files, got {path}")
        try:
            with path.open("rb") as file:
                for number in count(1):
                    line = file.readline(_MAX_LINE_BYTES + 1)
                    if len(line) > _MAX_LINE_BYTES:
                        raise LogError(
                            f"{path}:{number}: a line must have at most {_MAX_LINE_BYTES} bytes"
                        )
                    # Bytes after the last line end are a line that was not written completely.
                    if not line.endswith(b"\n"):
                        break
                    yield _decode(decode, line.removesuffix(b"\n"), f"{path}:{number}")
        except OSError as error:
            raise LogError(f"a log must be readable, got {path}: {error.strerror}") from None


def _decode(decode: Decode, line: bytes, place: str) -> Any:
    try:
        return decode(line)[1]
    except ValueError as error:
        raise LogError(f"{place}: the line is not valid: {error}") from None


class _Observer:
    """Counts the events and records that occur, and collects the fields that have informative values."""

    def __init__(self, contract: Contract) -> None:
        self.counts: Counter[str] = Counter()
        self.moved: set[str] = set()
        self._events = {event.name: event for event in contract.events}
        # A field that the context sets has its default there.
        self._context = {value.name: value for value in contract.context}

    def observe(self, payload: Any) -> None:
        """Count one event and look at its fields; an event of a later version, which has no name, is not counted."""
        if not payload.EVENT:
            return
        try:
            self._visit(self._events[payload.EVENT], payload)
        except (AttributeError, KeyError) as error:
            raise LogError(
                f"the generated code must be up to date with the contract, but differs in {error};"
                " generate it again"
            ) from None

    def _visit(self, owner: Event | Record, value: Any) -> None:
        self.counts[owner.name] += 1
        for field in owner.fields:
            name = f"{owner.name}.{field.name}"
            held = getattr(value, field.name)
            if name not in self.moved and _to_plain(held) not in uninformative_values(
                self._declaration_of(field)
            ):
                self.moved.add(name)
            for record, item in _records_in(field.type, held):
                self._visit(record, item)

    def _declaration_of(self, value: Value) -> Value:
        is_from_context = isinstance(value, Field) and isinstance(value.capture, FromContext)
        return self._context[value.name] if is_from_context else value


def uninformative_values(value: Value) -> list[object]:
    """Return the values that carry no information: the default, null, or an empty collection.

    The list is empty for a field that always carries information.
    """
    values: list[object] = []
    if value.default is not None:
        values.append(value.default.value)
    if value.nullable:
        values.append(None)
    if not values and isinstance(value.type, ListType):
        values.append([])
    if not values and isinstance(value.type, MapType):
        values.append({})
    return values


def _to_plain(held: Any) -> object:
    if isinstance(held, Enum):
        return held.name
    if isinstance(held, tuple):
        return [_to_plain(item) for item in held]
    return held


def _records_in(type_: Type, held: Any) -> Iterator[tuple[Record, Any]]:
    if held is None:
        return
    match type_:
        case RecordType(record):
            yield record, held
        case ListType(item):
            for one in held:
                yield from _records_in(item, one)
        case MapType(item):
            for one in held.values():
                yield from _records_in(item, one)


def _seen(contract: Contract, observer: _Observer) -> Iterator[Point]:
    for event in live_events(contract):
        is_seen = observer.counts[event.name] > 0
        yield Point(measure="seen", name=event.name, span=event.span, is_covered=is_seen)


def _moved(contract: Contract, observer: _Observer) -> Iterator[Point]:
    """Measure the fields of events and records that occur; a missing event is reported once, and not for each field."""
    owners: list[Event | Record] = [*live_events(contract), *nested_records(contract)]
    for owner in owners:
        for value in own_fields(owner):
            if observer.counts[owner.name] and uninformative_values(value):
                name = f"{owner.name}.{value.name}"
                yield _moved_point(name, value, name in observer.moved)
    for value in contract.context:
        if value.place == "payload" and uninformative_values(value) and not value.deprecated:
            names = {f"{event.name}.{value.name}" for event in contract.events}
            yield _moved_point(f"context.{value.name}", value, bool(names & observer.moved))


def _moved_point(name: str, value: Value, is_moved: bool) -> Point:
    described = " or ".join(_describe(one) for one in uninformative_values(value))
    return Point(
        measure="moved", name=name, span=value.span, is_covered=is_moved, only_value=described
    )


def _describe(value: object) -> str:
    return "empty" if value in ([], {}) else quote(value)
