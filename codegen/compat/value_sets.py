"""Sets of JSON values: those that a contract allows for a value, and those that upcasts make of them."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..contract.model import EnumType, ListType, MapType, Primitive, RecordType, Type, Value
from ..contract.nodes import INT64, OPEN, Bounds
from ..history.samples import FLOATS
from .text_sets import TextSet, contains

_MEMBER = TextSet(pattern="[A-Z][A-Z0-9_]*", length=Bounds(1, 64))
"""The names that readers of an open enum accept."""
_NONFINITE = TextSet(words=frozenset(["NaN", "Infinity", "-Infinity"]))
_LARGEST = 1.7976931348623157e308
_READABLE = Bounds(-_LARGEST, _LARGEST)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in an object: exactly one of several keys, each with its values; none of them if it is optional."""

    choices: Mapping[str, "ValueSet"]
    is_optional: bool = False


Slots = tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """Which values are meant: those that readers accept, or those that writers write."""

    slots: Callable[[Iterable[Value]], Slots]
    """Returns the keys of a record."""
    floats: Bounds
    """The bounds of floats without a range."""
    has_unknown_members: bool
    """Whether an open enum has names besides its members. Writers accept members only."""


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A set of JSON values: the union of what its attributes hold; None where it has no value of that kind."""

    null: bool = False
    bools: bool = False
    ints: Bounds | None = None
    floats: Bounds | None = None
    texts: tuple[TextSet, ...] = ()
    items: "tuple[ValueSet, Bounds] | None" = None
    """The items of lists, and the lengths of the lists."""
    entries: "tuple[ValueSet, Bounds] | None" = None
    """The values of maps, and their numbers of entries."""
    slots: Slots | None = None
    """The keys of records."""

    def __or__(self, other: "ValueSet") -> "ValueSet":
        """Return the union; where it has no exact form, a larger set."""
        return ValueSet(
            null=self.null or other.null,
            bools=self.bools or other.bools,
            ints=_hull(self.ints, other.ints),
            floats=_hull(self.floats, other.floats),
            texts=tuple(dict.fromkeys((*self.texts, *other.texts))),
            items=_join(self.items, other.items),
            entries=_join(self.entries, other.entries),
            slots=other.slots if self.slots is None else self.slots,
        )


def accepted_slots(values: Iterable[Value]) -> Slots:
    """Return the keys of objects as a reader of these values accepts them.

    Floats without a range end at the extremes of the golden records: conversions need not be safe for larger ones.
    """
    return tuple(
        Slot(
            {key: _of_value(value, _ACCEPTED) for key in (value.wire, *value.aliases)},
            is_optional=value.missing is not None,
        )
        for value in values
    )


def written_slots(values: Iterable[Value]) -> Slots:
    """Return the keys of objects that are written with these values: all of them, under their present keys."""
    return tuple(Slot({value.wire: _of_value(value, _WRITTEN)}) for value in values)


def allowed_values(value: Value) -> ValueSet:
    """Return all values that readers of a value allow; for records, look at their fields instead."""
    return _of_value(value, _ALLOWED)


def set_of(plain: Any) -> ValueSet:
    """Return the set that holds one JSON value alone."""
    if plain is None:
        return ValueSet(null=True)
    if isinstance(plain, bool):
        return ValueSet(bools=True)
    if isinstance(plain, int):
        return ValueSet(ints=Bounds(plain, plain))
    if isinstance(plain, float):
        return ValueSet(floats=Bounds(plain, plain))
    if isinstance(plain, str):
        return ValueSet(texts=(TextSet(words=frozenset([plain])),))
    if isinstance(plain, list):
        inner = ValueSet()
        for item in plain:
            inner |= set_of(item)
        return ValueSet(items=(inner, Bounds(len(plain), len(plain))))
    inner = ValueSet()
    for item in plain.values():
        inner |= set_of(item)
    slots = tuple(Slot({key: set_of(item)}) for key, item in plain.items())
    return ValueSet(entries=(inner, Bounds(len(plain), len(plain))), slots=slots)


def map_leaves(values: ValueSet, change: Callable[[ValueSet], ValueSet]) -> ValueSet:
    """Apply a change to every value that is not a list, a map or a record, also inside those."""
    leaves = change(replace(values, items=None, entries=None, slots=None))
    return replace(
        leaves,
        items=values.items and (map_leaves(values.items[0], change), values.items[1]),
        entries=values.entries and (map_leaves(values.entries[0], change), values.entries[1]),
        slots=(
            None
            if values.slots is None
            else tuple(
                replace(slot, choices={k: map_leaves(v, change) for k, v in slot.choices.items()})
                for slot in values.slots
            )
        ),
    )


def scaled(values: ValueSet, factor: float, offset: float) -> ValueSet:
    """Return the set after numbers are multiplied and added to, which makes floats of integers."""
    found = None
    for bounds in (values.ints, values.floats):
        if bounds is not None:
            ends = [_scale(one, factor, offset) for one in (bounds.low, bounds.high)]
            found = _hull(found, Bounds(min(ends), max(ends)))
    return replace(values, ints=None, floats=found)


def clamped(values: ValueSet, low: float, high: float) -> ValueSet:
    """Return the set after numbers are moved into bounds; a bound is an integer or a float as it is written."""
    result = replace(values, ints=None, floats=None)
    for bounds in (values.ints, values.floats):
        for part in () if bounds is None else _clamp(bounds, low, high):
            result |= part
    # A float that equals a bound may stay one, and an integer may stay one.
    if values.floats is not None:
        ends = [min(max(one, low), high) for one in _ends(values.floats)]
        result |= ValueSet(floats=Bounds(float(ends[0]), float(ends[1])))
    if values.ints is not None:
        ends = [min(max(one, low), high) for one in _ends(values.ints)]
        inside = Bounds(math.ceil(ends[0]), math.floor(ends[1]))
        if _is_nonempty(inside):
            result |= ValueSet(ints=inside)
    return result


def rounded(values: ValueSet) -> ValueSet:
    """Return the set after finite floats are rounded to integers."""
    if values.floats is None:
        return values
    ends = _ends(values.floats)
    finite = [min(max(one, -_LARGEST), _LARGEST) for one in ends]
    ints = _hull(values.ints, Bounds(round(finite[0]), round(finite[1])))
    infinite = [one for one in ends if math.isinf(one)]
    return replace(
        values, ints=ints, floats=Bounds(infinite[0], infinite[-1]) if infinite else None
    )


def renamed(values: ValueSet, names: Mapping[str, Any], otherwise: str | None) -> ValueSet:
    """Return the set after texts are replaced by their entries in `names`, and other texts by `otherwise`."""
    result = replace(values, texts=())
    for text, new in names.items():
        if contains(values.texts, text):
            result |= set_of(new)
    for one in values.texts:
        rest = _without(one, frozenset(names))
        if rest is not None:
            replacement = ValueSet(texts=(rest,)) if otherwise is None else set_of(otherwise)
            result |= replacement
    return result


def _without(one: TextSet, names: frozenset[str]) -> TextSet | None:
    if one.words is None:
        return replace(one, excluded=one.excluded | names)
    words = one.words - names
    return TextSet(words=words) if words else None


def _of_value(value: Value, side: _Side) -> ValueSet:
    values = _of_type(value, value.type, value.length or OPEN, side)
    return replace(values, null=value.nullable)


def _of_type(value: Value, type_: Type, length: Bounds, side: _Side) -> ValueSet:
    match type_:
        case Primitive("int"):
            return ValueSet(ints=(value.range or OPEN).within(INT64))
        case Primitive("float"):
            return _floats_of(value, side.floats)
        case Primitive("bool"):
            return ValueSet(bools=True)
        case Primitive():
            return ValueSet(texts=(TextSet(value.pattern, length),))
        case EnumType(enum):
            names = TextSet(words=frozenset(member.name for member in enum.members))
            is_any = enum.open and side.has_unknown_members
            return ValueSet(texts=(names, _MEMBER) if is_any else (names,))
        case RecordType(record):
            return ValueSet(slots=side.slots(record.fields))
        case ListType(item):
            return ValueSet(items=(_of_type(value, item, OPEN, side), length))
        case MapType(item):
            return ValueSet(entries=(_of_type(value, item, OPEN, side), length))


def _floats_of(value: Value, widest: Bounds) -> ValueSet:
    low, high = _ends((value.range or OPEN).within(widest))
    # An integer on a line is read as a float, too.
    ints = Bounds(math.ceil(low), math.floor(high))
    return ValueSet(
        ints=ints if _is_nonempty(ints) else None,
        floats=Bounds(float(low), float(high)),
        texts=(_NONFINITE,) if value.nonfinite == "string" else (),
    )


def _scale(number: float | None, factor: float, offset: float) -> float:
    assert number is not None, "the numbers of a set have ends"
    try:
        return number * factor + offset
    except OverflowError:
        return number


def _clamp(bounds: Bounds, low: float, high: float) -> Iterable[ValueSet]:
    """Yield the bounds to which a clamp moves numbers; each keeps its own type."""
    first, last = _ends(bounds)
    if first < low:
        yield set_of(low)
    if last > high:
        yield set_of(high)


def _ends(bounds: Bounds) -> tuple[float, float]:
    assert bounds.low is not None
    assert bounds.high is not None
    return bounds.low, bounds.high


def _is_nonempty(bounds: Bounds) -> bool:
    low, high = _ends(bounds)
    return low <= high


def _hull(one: Bounds | None, other: Bounds | None) -> Bounds | None:
    if one is None or other is None:
        return one or other
    lows, highs = zip(_ends(one), _ends(other), strict=True)
    return Bounds(min(lows), max(highs))


def _join(
    one: tuple[ValueSet, Bounds] | None, other: tuple[ValueSet, Bounds] | None
) -> tuple[ValueSet, Bounds] | None:
    if one is None or other is None:
        return one or other
    lows = [bounds.low or 0 for bounds in (one[1], other[1])]
    highs = [bounds.high for bounds in (one[1], other[1])]
    high = None if None in highs else max(one for one in highs if one is not None)
    return one[0] | other[0], Bounds(min(lows), high)


_ACCEPTED = _Side(accepted_slots, FLOATS, has_unknown_members=True)
_WRITTEN = _Side(written_slots, FLOATS, has_unknown_members=False)
_ALLOWED = _Side(lambda _: (), _READABLE, has_unknown_members=True)
