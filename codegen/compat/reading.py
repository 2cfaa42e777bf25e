"""Reads sets of objects with the declarations of a reader, and reports why some of them are refused."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ..contract.model import ListType, MapType, RecordType, Type, Value
from ..contract.nodes import OPEN, Bounds
from ..contract.wire_paths import join_path
from .text_sets import TextSet, includes
from .value_sets import Slot, Slots, ValueSet, allowed_values

Kind = Literal[
    "event", "missing", "unknown", "repeated", "null", "type", "range", "length", "text", "value"
]

_TEXTS: dict[Kind, str] = {
    "event": "the reader does not know the event",
    "missing": "it may be missing",
    "unknown": "the reader does not know the key",
    "repeated": "it may be there under two keys",
    "null": "it may be null",
    "type": "it may have another type",
    "range": "it may be out of range",
    "length": "it may have another length",
    "text": "it may be a text that is not allowed",
    "value": "it may read as another value than before",
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Why a reader refuses some objects: the path of the value, and what may be wrong with it."""

    path: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.path}: {_TEXTS[self.kind]}"


def read_slots(
    slots: Slots, fields: Iterable[Value], *, is_open: bool, prefix: str = ""
) -> Iterator[Problem]:
    """Yield the problems of a reader of `fields` with the objects that have these slots.

    `is_open` says whether it ignores unknown keys, as it does for those of a later minor version. Each value must be
    read as one of its kind: an unknown member of a closed enum is a problem even if the reader sets the event aside.
    """
    known: set[str] = set()
    for value in fields:
        keys = {value.wire, *value.aliases}
        known |= keys
        found = [slot for slot in slots if keys & slot.choices.keys()]
        path = join_path(prefix, value.wire)
        yield from _read_presence(value, path, keys, found)
        for slot in found:
            for key in slot.choices.keys() & keys:
                yield from _read_value(slot.choices[key], value, path, is_open)
    if not is_open:
        for slot in slots:
            for key in slot.choices.keys() - known:
                yield Problem(join_path(prefix, key), "unknown")


def _read_presence(value: Value, path: str, keys: set[str], found: list[Slot]) -> Iterator[Problem]:
    if len(found) > 1:
        yield Problem(path, "repeated")
    is_always = any(not one.is_optional and one.choices.keys() <= keys for one in found)
    if not is_always and value.missing is None:
        yield Problem(path, "missing")


def _read_value(values: ValueSet, value: Value, path: str, is_open: bool) -> Iterator[Problem]:
    if values.null and not value.nullable:
        yield Problem(path, "null")
    allowed = allowed_values(value)
    yield from _compare(replace(values, null=False), allowed, value.type, path, is_open)


def _compare(
    values: ValueSet, allowed: ValueSet, type_: Type, path: str, is_open: bool
) -> Iterator[Problem]:
    if values.null:
        yield Problem(path, "null")
    yield from _compare_scalars(values, allowed, path)
    match type_:
        case RecordType(record):
            if values.slots is not None:
                yield from read_slots(values.slots, record.fields, is_open=is_open, prefix=path)
        case ListType(item) | MapType(item):
            is_list = isinstance(type_, ListType)
            inner, outer = (
                (values.items, allowed.items) if is_list else (values.entries, allowed.entries)
            )
            if inner is not None:
                assert outer is not None
                yield from _compare_length(inner[1], outer[1], path)
                if inner[1].high != 0:
                    part = path + ("[]" if is_list else "{}")
                    yield from _compare(inner[0], outer[0], item, part, is_open)
    if _has_other_shape(values, allowed):
        yield Problem(path, "type")


def _has_other_shape(values: ValueSet, allowed: ValueSet) -> bool:
    if values.items is not None and allowed.items is None:
        return True
    # A literal object stands for a map as well as for a record; other objects are one of them.
    if allowed.slots is not None:
        return values.entries is not None and values.slots is None
    if allowed.entries is not None:
        return values.slots is not None and values.entries is None
    return values.entries is not None or values.slots is not None


def _compare_scalars(values: ValueSet, allowed: ValueSet, path: str) -> Iterator[Problem]:
    if values.bools and not allowed.bools:
        yield Problem(path, "type")
    if values.texts and not allowed.texts:
        yield Problem(path, "type")
    else:
        for kind in _kinds_of_text(values, allowed):
            yield Problem(path, kind)
    for numbers, limits in ((values.ints, allowed.ints), (values.floats, allowed.floats)):
        if numbers is not None and limits is None:
            is_number = allowed.ints is not None or allowed.floats is not None
            is_outside = is_number and allowed.floats is not None
            yield Problem(path, "range" if is_outside else "type")
        elif numbers is not None and limits is not None and not _is_within(numbers, limits):
            yield Problem(path, "range")


def _kinds_of_text(values: ValueSet, allowed: ValueSet) -> Iterator[Kind]:
    """Yield "length" if a limit of length refuses some of the texts, and "text" if anything else does."""
    if includes(allowed.texts, values.texts):
        return
    is_plain = all(one.words is None for one in allowed.texts)
    if is_plain and not includes(
        tuple(TextSet(length=one.length) for one in allowed.texts), values.texts
    ):
        yield "length"
    if not includes(tuple(replace(one, length=OPEN) for one in allowed.texts), values.texts):
        yield "text"


def _compare_length(inner: Bounds, outer: Bounds, path: str) -> Iterator[Problem]:
    low = inner.low or 0
    is_high = outer.high is None or (inner.high is not None and inner.high <= outer.high)
    if low < (outer.low or 0) or not is_high:
        yield Problem(path, "length")


def _is_within(inner: Bounds, outer: Bounds) -> bool:
    assert inner.low is not None
    assert inner.high is not None
    assert outer.low is not None
    assert outer.high is not None
    return outer.low <= inner.low and inner.high <= outer.high
