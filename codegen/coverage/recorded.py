"""The half of coverage that a run's log tells: which events occur, and which fields leave what they hold at rest."""

import importlib
from collections import Counter
from collections.abc import Callable, Iterator
from enum import Enum
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
from .point import Point, live_events, nested_records, own_fields

_Decode = Callable[[bytes], tuple[Any, Any]]


class RecordedError(CodegenError):
    """Says why a log cannot be used."""


def measure_log(contract: Contract, package: str, log: Path) -> list[Point]:
    """Read the log at `log`, a file of JSON lines or a folder of such files; return what it covers of the contract.

    The generated `package` reads it, so that only lines that keep to the contract count; a line that was not written
    to its end is left out.

    Raises:
        RecordedError: there is no log, it breaks the contract, or the generated code is not that of the contract.
    """
    witness = _Witness(contract)
    decode = _find_decoder(package)
    for payload in _read_payloads(log, decode):
        witness.see(payload)
    if not witness.counts:
        raise RecordedError(f"a log must hold events, got none in {log}; train a run first")
    return [*_seen(contract, witness), *_moved(contract, witness)]


def _find_decoder(package: str) -> _Decode:
    try:
        decode: _Decode = importlib.import_module(f"{package}.codec").decode_line
    except ImportError as error:
        raise RecordedError(
            f"the generated package must be importable, got: {error}; put its folder on PYTHONPATH"
        ) from None
    return decode


def _read_payloads(log: Path, decode: _Decode) -> Iterator[Any]:
    for path in sorted(log.rglob("*.jsonl")) if log.is_dir() else [log]:
        try:
            # What stands behind the last line end was not written to its end.
            *lines, _ = path.read_bytes().split(b"\n")
        except OSError as error:
            raise RecordedError(f"a log must be readable, got {path}: {error.strerror}") from None
        for number, line in enumerate(lines, 1):
            yield _decode(decode, line, f"{path}:{number}")


def _decode(decode: _Decode, line: bytes, place: str) -> Any:
    try:
        return decode(line)[1]
    except ValueError as error:
        raise RecordedError(f"{place}: a line must keep to the contract: {error}") from None


class _Witness:
    """Keeps what has occurred, and which fields have held something else than at rest."""

    def __init__(self, contract: Contract) -> None:
        self.counts: Counter[str] = Counter()
        self.moved: set[str] = set()
        self._events = {event.name: event for event in contract.events}
        # A payload's field has no default of its own where the context stamps it.
        self._context = {value.name: value for value in contract.context}

    def see(self, payload: Any) -> None:
        """Take in one event."""
        try:
            self._look(self._events[payload.EVENT], payload)
        except (AttributeError, KeyError) as error:
            raise RecordedError(
                f"the generated code must be that of the contract, got one that differs in {error};"
                " generate it anew"
            ) from None

    def _look(self, owner: Event | Record, value: Any) -> None:
        self.counts[owner.name] += 1
        for field in owner.fields:
            name = f"{owner.name}.{field.name}"
            held = getattr(value, field.name)
            if name not in self.moved and _plain(held) not in rests_of(self._declared(field)):
                self.moved.add(name)
            for record, item in _records_in(field.type, held):
                self._look(record, item)

    def _declared(self, value: Value) -> Value:
        is_stamped = isinstance(value, Field) and isinstance(value.capture, FromContext)
        return self._context[value.name] if is_stamped else value


def rests_of(value: Value) -> list[object]:
    """Return what a field holds while it says nothing: its default, null, or no items; none for other fields."""
    rests: list[object] = []
    if value.default is not None:
        rests.append(value.default.value)
    if value.nullable:
        rests.append(None)
    if not rests and isinstance(value.type, ListType):
        rests.append([])
    if not rests and isinstance(value.type, MapType):
        rests.append({})
    return rests


def _plain(held: Any) -> object:
    if isinstance(held, Enum):
        return held.name
    if isinstance(held, tuple):
        return [_plain(item) for item in held]
    return held


def _records_in(of: Type, held: Any) -> Iterator[tuple[Record, Any]]:
    if held is None:
        return
    match of:
        case RecordType(record):
            yield record, held
        case ListType(item):
            for one in held:
                yield from _records_in(item, one)
        case MapType(item):
            for one in held.values():
                yield from _records_in(item, one)


def _seen(contract: Contract, witness: _Witness) -> Iterator[Point]:
    for event in live_events(contract):
        is_seen = witness.counts[event.name] > 0
        yield Point(measure="seen", name=event.name, span=event.span, is_covered=is_seen)


def _moved(contract: Contract, witness: _Witness) -> Iterator[Point]:
    """Judge the fields of what has occurred; the others are told of once, by their event."""
    owners: list[Event | Record] = [*live_events(contract), *nested_records(contract)]
    for owner in owners:
        for value in own_fields(owner):
            if witness.counts[owner.name] and rests_of(value):
                name = f"{owner.name}.{value.name}"
                yield _moved_point(name, value, name in witness.moved)
    for value in contract.context:
        if value.place == "payload" and rests_of(value) and not value.deprecated:
            names = {f"{event.name}.{value.name}" for event in contract.events}
            yield _moved_point(f"context.{value.name}", value, bool(names & witness.moved))


def _moved_point(name: str, value: Value, is_moved: bool) -> Point:
    rests = " or ".join(_describe(rest) for rest in rests_of(value))
    return Point(measure="moved", name=name, span=value.span, is_covered=is_moved, instead=rests)


def _describe(rest: object) -> str:
    return "empty" if rest in ([], {}) else quote(rest)
