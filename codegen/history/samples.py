"""Values on the wire that a declared value may have: its bounds, every member, null, the empty and the full."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from ..contract.model import EnumType, ListType, MapType, Primitive, RecordType, Type, Value
from ..contract.nodes import Bounds
from ..diagnostics.errors import CodegenError

_INT64 = Bounds(-(2**63), 2**63 - 1)
_FLOATS = Bounds(-1.5e300, 1.5e300)
_LONG = 100
_UNHEARD_OF = "HEARD_OF_LATER"


class SampleError(CodegenError):
    """No golden record can be made up for a value."""


def sample(value: Value) -> list[Any]:
    """List values on the wire; the first is an ordinary one."""
    found = list(_sample_type(value, value.type, value.length or Bounds(None, None)))
    if value.nullable:
        found.append(None)
    return found


def sample_objects(values: Iterable[Value]) -> list[dict[str, Any]]:
    """List objects with these values, so many that each sample of each value is in one of them."""
    columns = {value.wire: sample(value) for value in values}
    count = max((len(column) for column in columns.values()), default=1)
    return [
        {key: column[index % len(column)] for key, column in columns.items()}
        for index in range(count)
    ]


def _sample_type(value: Value, of: Type, length: Bounds) -> Iterator[Any]:
    match of:
        case Primitive("int"):
            yield from _sample_bounds(value.range, _INT64, 3)
        case Primitive("float"):
            yield from _sample_bounds(value.range, _FLOATS, 0.25)
            yield from ("NaN", "Infinity", "-Infinity") if value.nonfinite == "string" else ()
        case Primitive("bool"):
            yield from (True, False)
        case Primitive():
            yield from _sample_texts(value, length)
        case EnumType(enum):
            yield from (member.name for member in enum.members)
            yield from [_UNHEARD_OF] if enum.open else []
        case RecordType(record):
            yield from sample_objects(record.fields)
        case ListType(item):
            for size, items in _sample_items(value, item, length):
                yield [items[index % len(items)] for index in range(size)]
        case MapType(item):
            for size, items in _sample_items(value, item, length):
                yield {f"key {index}": items[index % len(items)] for index in range(size)}


def _sample_bounds(given: Bounds | None, widest: Bounds, ordinary: float) -> Iterator[float]:
    assert widest.low is not None
    assert widest.high is not None
    cast = type(ordinary)
    low = widest.low if given is None or given.low is None else given.low
    high = widest.high if given is None or given.high is None else given.high
    yield from dict.fromkeys(cast(one) for one in (min(max(ordinary, low), high), low, high))


def _sample_texts(value: Value, length: Bounds) -> Iterator[str]:
    low = int(length.low or 0)
    high = _LONG if length.high is None else min(int(length.high), max(_LONG, low))
    if value.pattern is not None:
        yield _match(value.pattern, low, high)
        return
    ordinary = "né".ljust(low, "x")[:high]
    yield from dict.fromkeys((ordinary, "x" * low, "y" * high))


@cache
def _match(pattern: str, low: int, high: int) -> str:
    """Return a text that all of a pattern matches, the same each time."""
    # Importing hypothesis takes longer than everything else, and few contracts have patterns.
    try:
        from hypothesis import HealthCheck, Phase, find, settings
        from hypothesis.errors import InvalidArgument, NoSuchExample, Unsatisfiable
        from hypothesis.strategies import characters, from_regex
    except ImportError:
        raise SampleError(
            "texts that match a pattern are made up by hypothesis; pip install hypothesis"
        ) from None
    # Looking for an even simpler text takes a hundred times as long; so does the whole of Unicode.
    quick = settings(
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for letters in (characters(min_codepoint=0x20, max_codepoint=0x24F), characters()):
        texts = from_regex(pattern, fullmatch=True, alphabet=letters)
        try:
            return find(
                texts.filter(lambda text: low <= len(text) <= high), lambda _: True, settings=quick
            )
        except (InvalidArgument, NoSuchExample, Unsatisfiable):
            continue
    raise SampleError(f"no text of {low} to {high} characters matches {pattern}")


def _sample_items(value: Value, item: Type, length: Bounds) -> Iterator[tuple[int, list[Any]]]:
    """List sizes of a list or map that is not too long, each with what it is filled from."""
    items = list(_sample_type(value, item, Bounds(None, None)))
    low = int(length.low or 0)
    high = len(items) if length.high is None else int(length.high)
    for size in dict.fromkeys((max(low, min(high, len(items))), low)):
        yield size, items
