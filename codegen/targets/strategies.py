"""Target strategies: hypothesis strategies for valid records, payloads and lines."""

from collections.abc import Iterable, Iterator

from ..contract.model import (
    Contract,
    EnumType,
    Event,
    ListType,
    MapType,
    Primitive,
    Record,
    RecordType,
    Type,
    Value,
)
from ..contract.nodes import OPEN, Bounds
from ..languages.printable import environment
from ..languages.python.imports import import_block, names_used
from ..languages.python.modules import fields_name, find_homes
from ..languages.python.quoting import Python, code, doc, ident, join, lit
from .target import Chunk, Output, Target

_PATH = "strategies.py"
_TEMPLATES = environment("strategies", Python)
_HYPOTHESIS = (
    *("SearchStrategy", "booleans", "builds", "dictionaries", "floats", "from_regex", "integers"),
    *("just", "lists", "none", "one_of", "sampled_from", "text", "tuples"),
)
_HOMES = dict.fromkeys(_HYPOTHESIS, "hypothesis.strategies") | {
    "ascii_uppercase": "string",
    "digits": "string",
    "inf": "math",
    "nan": "math",
}


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the module of strategies."""
    chunks = list(_chunks(contract))
    used = {name for chunk in chunks for name in names_used(chunk.text)}
    imports = import_block(used, find_homes(contract, package) | _HOMES)
    text = "Strategies for everything that this version of the contract writes."
    yield Output(_PATH, (Chunk("", join("\n\n", [doc(text), imports])), *chunks))


TARGET = Target(
    name="strategies",
    root="tests",
    outputs=lambda contract: [_PATH],
    render=render,
)


def _chunks(contract: Contract) -> Iterator[Chunk]:
    yield _chunk("parts", "parts.py.j2")
    for record in contract.records:
        yield _builds(record, record.name)
    for event in contract.events:
        yield _builds(event, event.payload)
    yield _chunk("Envelope", "envelope.py.j2", fields=_draw_envelope(contract))
    events = [(lit(event.name), ident(fields_name(event))) for event in contract.events]
    yield _chunk("tables", "tables.py.j2", events=events)


def _chunk(key: str, template: str, **values: object) -> Chunk:
    return Chunk(key, _TEMPLATES.get_template(template).render(**values).strip("\n"))


def _builds(owner: Record | Event, cls: str) -> Chunk:
    name, fields = ident(fields_name(owner)), _draw_all(owner.fields)
    return _chunk(owner.name, "builds.py.j2", name=name, cls=ident(cls), fields=fields)


def _draw_all(values: Iterable[Value]) -> list[tuple[Python, Python]]:
    return [(ident(value.name), _draw(value)) for value in values]


def _draw_envelope(contract: Contract) -> list[tuple[Python, Python]]:
    """Return the strategies for the fields of an envelope of a given event, as this version writes it."""
    drawn = dict(_draw_all(contract.envelope.fields))
    drawn |= {ident("event"): Python("just(event)"), ident("v"): Python("just(VERSION)")}
    return list(drawn.items())


def _draw(value: Value) -> Python:
    """Return the strategy of a field."""
    strategy = _draw_type(value, value.type, value.length or OPEN)
    return code("none() | {strategy}", strategy=strategy) if value.nullable else strategy


def _draw_type(value: Value, type_: Type, length: Bounds) -> Python:
    bounds = value.range or OPEN
    match type_:
        case Primitive("int"):
            return _call("whole_numbers", _bounds(bounds, "low", "high", int))
        case Primitive("float"):
            finite = _call("finite_floats", _bounds(bounds, "low", "high", float))
            # The constructor accepts a value that becomes null.
            return finite if value.nonfinite == "error" else code("{it} | NONFINITE", it=finite)
        case Primitive("bool"):
            return Python("booleans()")
        case Primitive():
            parts = _bounds(length, "low", "high", int)
            if value.pattern is None:
                return _call("texts", parts)
            return _call("matching_texts", [lit(value.pattern), *parts])
        case EnumType(enum):
            known = code("sampled_from({enum})", enum=ident(enum.name))
            if not enum.open:
                return known
            return code("{known} | unknown_members({enum})", known=known, enum=ident(enum.name))
        case RecordType(record):
            return ident(fields_name(record))
        case ListType(item):
            items = _draw_type(value, item, OPEN)
            drawn = _call("lists", [items, *_bounds(length, "min_size", "max_size", int)])
            return code("{drawn}.map(tuple)", drawn=drawn)
        case MapType(item):
            entries = [Python("texts()"), _draw_type(value, item, OPEN)]
            return _call("dictionaries", [*entries, *_bounds(length, "min_size", "max_size", int)])


def _bounds(bounds: Bounds, low: str, high: str, kind: type[int] | type[float]) -> list[Python]:
    """Return the arguments for bounds; a side that is open has no argument."""
    named = ((low, bounds.low), (high, bounds.high))
    return [
        code("{name}={bound}", name=ident(name), bound=lit(kind(bound)))
        for name, bound in named
        if bound is not None
    ]


def _call(function: str, arguments: Iterable[Python]) -> Python:
    return code(
        "{function}({arguments})", function=ident(function), arguments=join(", ", arguments)
    )
