"""Target TypeScript: the types of the lines of a log, a union that is discriminated by the event, and a parser of lines."""

from collections.abc import Iterable, Iterator

from ..contract.model import (
    Contract,
    EnumType,
    ListType,
    MapType,
    Primitive,
    RecordType,
    Type,
    Value,
)
from ..contract.versions import parse_version
from ..languages.printable import environment
from ..languages.typescript import TypeScript, code, doc, key, lit, name
from ..languages.wording import describe
from .target import Chunk, Output, Target

NAMES = (
    "VERSION",
    "NonFinite",
    "Envelope",
    "Line",
    "EVENTS",
    "UnknownLine",
    "isKnown",
    "parseLine",
)
"""Names that the module always exports."""

_PATH = "telemetry.ts"
_TEMPLATES = environment("typescript", TypeScript)
_PRIMITIVES = {"int": "number", "float": "number", "bool": "boolean", "str": "string"}


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the module of types."""
    yield Output(_PATH, tuple(_chunks(contract)))


TARGET = Target(
    name="typescript",
    root="package",
    outputs=lambda contract: [_PATH],
    render=render,
)


def _chunks(contract: Contract) -> Iterator[Chunk]:
    yield _chunk("", "head.ts.j2", version=lit(contract.version))
    for enum in contract.enums:
        members = [lit(member.name) for member in enum.members]
        # Unlike `string`, this type lets an editor still propose the known names.
        members.append(TypeScript("(string & {})"))
        yield _chunk(
            enum.name, "enum.ts.j2", name=name(enum.name), doc=doc(enum.doc), members=members
        )
    for record in contract.records:
        yield _interface(record.name, record.doc, record.fields)
    for event in contract.events:
        yield _interface(event.payload, event.doc, event.fields)
    yield _chunk(
        "Envelope",
        "lines.ts.j2",
        doc=doc(contract.envelope.doc),
        fields=[
            one if one["key"] != "event" else one | {"type": TypeScript("TEvent")}
            for one in _properties(contract.envelope.fields)
        ],
        lines=[
            code("Envelope<$event, $payload>", event=lit(one.name), payload=name(one.payload))
            for one in contract.events
        ],
        events=[lit(one.name) for one in contract.events],
        major=lit(f"{parse_version(contract.version).major}."),
    )


def _chunk(part: str, template: str, **values: object) -> Chunk:
    text = _TEMPLATES.get_template(template).render(**values).strip("\n")
    return Chunk(part, f"\n{text}\n")


def _interface(part: str, text: str, fields: Iterable[Value]) -> Chunk:
    properties = list(_properties(fields))
    return _chunk(part, "interface.ts.j2", name=name(part), doc=doc(text), fields=properties)


def _properties(fields: Iterable[Value]) -> Iterator[dict[str, TypeScript]]:
    """Yield the properties for values: one for each key, optional if the key may be missing."""
    for value in fields:
        type_ = _ts_type(value, value.type)
        is_certain = value.missing is None and not value.aliases
        for one in (value.wire, *value.aliases):
            yield {
                "doc": doc(_comment(value)),
                "key": key(one) if is_certain else code("$key?", key=key(one)),
                "type": code("$type | null", type=type_) if value.nullable else type_,
            }


def _comment(value: Value) -> str:
    text = describe(value)
    return f"{text} @deprecated {value.deprecated}" if value.deprecated else text


def _ts_type(value: Value, type_: Type) -> TypeScript:
    match type_:
        case Primitive("float") if value.nonfinite == "string":
            return TypeScript("number | NonFinite")
        case Primitive(primitive):
            return TypeScript(_PRIMITIVES[primitive])
        case EnumType(named) | RecordType(named):
            return name(named.name)
        case ListType(item):
            inner = _ts_type(value, item)
            return code("readonly ($item)[]" if " " in inner else "readonly $item[]", item=inner)
        case MapType(item):
            return code("{ readonly [key: string]: $item }", item=_ts_type(value, item))
