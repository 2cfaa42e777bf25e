"""Draws log lines of a contract: every extreme of every value, each key that may be missing, and each alias."""

import json
import re
from collections.abc import Iterator
from typing import Any

from codegen.contract.model import (
    Contract,
    EnumType,
    Event,
    ListType,
    MapType,
    Primitive,
    RecordType,
    Type,
    Value,
)
from codegen.contract.nodes import INT64, OPEN, Bounds
from codegen.history.samples import FLOATS

PATTERNS = ("[a-z]+", "[a-z0-9]+", "[a-c]{2,4}", "a|b+", "[0-9]{1,3}", "x-[a-z]*")
"""The patterns of drawn contracts; `TEXTS` tells any two of them apart."""
TEXTS = (
    "", "a", "b", "bb", "z", "zz", "7", "a7", "aa", "ac", "abc", "abca", "abcab", "12", "123", "1234", "x-", "x-y",
    "né", "RED", "GREEN", "BLUE", "HEARD_OF_LATER", "NaN", "bbbbb", "zzzzzzzz", "a" * 12,
)  # fmt: skip


def values_of(value: Value) -> list[Any]:
    """Return JSON values that a value allows: its extremes, every member, null, empty and full."""
    return _column(value, is_accepted=False)


def lines_of(contract: Contract, event: Event, *, is_accepted: bool) -> Iterator[dict[str, Any]]:
    """Yield lines of an event as JSON values: with every drawn envelope and every drawn payload."""
    own = [one for one in contract.envelope.fields if one.name not in ("event", "v")]
    envelopes = _objects(tuple(own), is_accepted=is_accepted)
    payloads = _objects(event.fields, is_accepted=is_accepted)
    for number in range(max(len(envelopes), len(payloads))):
        envelope = envelopes[number % len(envelopes)]
        payload = payloads[number % len(payloads)]
        yield {**envelope, "event": event.name, "v": contract.version, "payload": payload}


def encode(line: dict[str, Any]) -> bytes:
    """Return a line of a log."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()


def _objects(values: tuple[Value, ...], *, is_accepted: bool) -> list[dict[str, Any]]:
    columns = {one.wire: _column(one, is_accepted=is_accepted) for one in values}
    count = max((len(column) for column in columns.values()), default=1)
    objects = [
        {key: column[index % len(column)] for key, column in columns.items()}
        for index in range(count)
    ]
    if is_accepted:
        for one in values:
            if one.missing is not None:
                objects.append({k: v for k, v in objects[0].items() if k != one.wire})
            for alias in one.aliases:
                for item in columns[one.wire]:
                    rest = {k: v for k, v in objects[0].items() if k != one.wire}
                    objects.append({**rest, alias: item})
    return objects


def _column(value: Value, *, is_accepted: bool) -> list[Any]:
    found = list(_of_type(value, value.type, value.length or OPEN, is_accepted=is_accepted))
    return [*found, None] if value.nullable else found


def _of_type(value: Value, type_: Type, length: Bounds, *, is_accepted: bool) -> Iterator[Any]:
    match type_:
        case Primitive("int"):
            yield from _numbers((value.range or OPEN).within(INT64), 3)
        case Primitive("float"):
            yield from _numbers((value.range or OPEN).within(FLOATS), 0.25)
            if is_accepted and _is_within(1, value.range or OPEN):
                yield 1
            yield from ("NaN", "Infinity", "-Infinity") if value.nonfinite == "string" else ()
        case Primitive("bool"):
            yield from (True, False)
        case Primitive():
            yield from _texts(value, length)
        case EnumType(enum):
            yield from (member.name for member in enum.members)
            yield from ["HEARD_OF_LATER"] if enum.open and is_accepted else []
        case RecordType(record):
            yield from _objects(record.fields, is_accepted=is_accepted)
        case ListType(item):
            for items in _filled(value, item, length, is_accepted):
                yield items
        case MapType(item):
            for items in _filled(value, item, length, is_accepted):
                yield {f"key {index}": one for index, one in enumerate(items)}


def _numbers(bounds: Bounds, typical: float) -> Iterator[float]:
    low, high = bounds.low, bounds.high
    assert low is not None
    assert high is not None
    cast = type(typical)
    yield from dict.fromkeys(cast(one) for one in (min(max(typical, low), high), low, high))


def _is_within(number: float, bounds: Bounds) -> bool:
    is_low = bounds.low is None or bounds.low <= number
    return is_low and (bounds.high is None or number <= bounds.high)


def _texts(value: Value, length: Bounds) -> Iterator[str]:
    low = int(length.low or 0)
    full = "y" * int(length.high if length.high is not None else max(20, low))
    for text in dict.fromkeys((*TEXTS, "y" * low, full)):
        is_match = value.pattern is None or re.fullmatch(value.pattern, text)
        if is_match and _is_within(len(text), length):
            yield text


def _filled(value: Value, item: Type, length: Bounds, is_accepted: bool) -> Iterator[list[Any]]:
    """Yield lists of all allowed sizes that matter, and so many that every item is in one of them."""
    items = list(_of_type(value, item, OPEN, is_accepted=is_accepted))
    low = int(length.low or 0)
    high = max(len(items), low, 10) if length.high is None else int(length.high)
    if high > 0:
        size = max(low, 1)
        for start in range(0, len(items), size):
            yield [items[(start + index) % len(items)] for index in range(size)]
        yield [items[index % len(items)] for index in range(high)]
    if low == 0:
        yield []
