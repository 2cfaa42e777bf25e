"""Target JSON Schema: a schema of a line of the log for its writers, and one for its readers.

The first allows exactly what this version writes. The second allows all that the codec reads of lines of this major
version: a later minor version may add fields, events and members, and widen ranges, lengths and patterns.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from ..contract.model import (
    Contract,
    Enum,
    EnumType,
    ListType,
    MapType,
    Primitive,
    RecordType,
    Type,
    Value,
)
from ..contract.nodes import INT64, OPEN, Bounds
from ..contract.versions import parse_version
from ..diagnostics.errors import QuotingError
from ..languages.wording import describe
from .target import Chunk, Output, Target

Schema = dict[str, Any]

_PATH = "telemetry.schema.json"
_READERS_PATH = "telemetry.reader.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NONFINITE: Schema = {"enum": ["NaN", "Infinity", "-Infinity"]}
_UNKNOWN_MEMBER: Schema = {"type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,63}$"}
# The keywords of bounds, which a later minor version may widen.
_BOUNDS = (
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
)
_WIDTH = 100


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the schemas of a line; without a template, as JSON is printed from values.

    Raises:
        QuotingError: a printed schema does not read back as the same values.
    """
    for path, schema in ((_PATH, line_schema(contract)), (_READERS_PATH, reader_schema(contract))):
        text = _print(schema)
        if json.loads(text) != schema:
            raise QuotingError("the printed schema does not read back as the same values")
        yield Output(path, (Chunk("", f"{text}\n"),))


TARGET = Target(
    name="json_schema",
    root="package",
    outputs=lambda contract: [_PATH, _READERS_PATH],
    render=render,
)


def line_schema(contract: Contract) -> Schema:
    """Return the schema of a line that this version writes."""
    line = _object(contract.envelope.doc, contract.envelope.fields)
    line["properties"] |= {"payload": {"type": "object"}}
    line["required"] += ["payload"]
    events = list(contract.events)
    line["properties"]["event"] = {
        "description": line["properties"]["event"]["description"],
        "enum": [event.name for event in events],
    }
    line["allOf"] = line.pop("allOf", []) + [
        {
            "if": {"properties": {"event": {"const": event.name}}},
            "then": {"properties": {"payload": _refer(event.payload)}},
        }
        for event in events
    ]
    definitions = {enum.name: _enum(enum) for enum in contract.enums}
    definitions |= {one.name: _object(one.doc, one.fields) for one in contract.records}
    definitions |= {one.payload: _object(one.doc, one.fields) for one in events}
    title = f"A line of a log, by version {contract.version} of the contract"
    return {"$schema": _DIALECT, "title": title, **line, "$defs": definitions}


def reader_schema(contract: Contract) -> Schema:
    """Return the schema of a line of this major version, which a later minor version may have written."""
    schema = line_schema(contract)
    major = parse_version(contract.version).major
    title = (
        f"A line of a log, by any version {major}.x of the contract, read with {contract.version}"
    )
    definitions = {enum.name: _enum(enum, is_open=True) for enum in contract.enums}
    objects = (name for name in schema["$defs"] if name not in definitions)
    definitions |= {name: _open(schema["$defs"][name]) for name in objects}
    line = _open(schema)
    event = {"description": schema["properties"]["event"]["description"], "type": "string"}
    version = schema["properties"]["v"] | {"pattern": rf"^{major}\.[0-9]+\.[0-9]+$"}
    properties = line["properties"] | {"event": event, "v": version}
    return line | {"title": title, "properties": properties, "$defs": definitions}


def _open(schema: Schema) -> Schema:
    """Return the schema of an object without those keywords that a later minor version may break."""
    properties = {key: _unbound(value) for key, value in schema["properties"].items()}
    rest = {key: schema[key] for key in schema if key != "additionalProperties"}
    return rest | {"properties": properties}


def _unbound(schema: Schema) -> Schema:
    """Return the schema of a value without bounds; an int keeps those of 64 bits, which no version can widen."""
    bounds: Schema = {}
    types = schema.get("type", ())
    if "integer" in ([types] if isinstance(types, str) else types):
        bounds = _limit(INT64, "minimum", "maximum")
    skipped = (*_BOUNDS, "minimum", "maximum")
    unbound = {key: schema[key] for key in schema if key not in skipped} | bounds
    for key in ("items", "additionalProperties"):
        if key in unbound:
            unbound[key] = _unbound(unbound[key])
    if "anyOf" in unbound:
        unbound["anyOf"] = [_unbound(one) for one in unbound["anyOf"]]
    return unbound


def _object(doc: str, fields: Iterable[Value]) -> Schema:
    values = tuple(fields)
    schema = {
        "description": doc,
        "type": "object",
        "properties": {key: _value(one) for one in values for key in (one.wire, *one.aliases)},
        "required": [one.wire for one in values if one.missing is None and not one.aliases],
        "additionalProperties": False,
    }
    choices = [_one_key(one) for one in values if one.aliases]
    return schema | ({"allOf": choices} if choices else {})


def _one_key(value: Value) -> Schema:
    """Return the schema of an object that has a value under exactly one of its keys, or lacks it if that is allowed."""
    keys: list[Schema] = [{"required": [key]} for key in (value.wire, *value.aliases)]
    return {"oneOf": keys if value.missing is None else [*keys, {"not": {"anyOf": keys}}]}


def _value(value: Value) -> Schema:
    schema = _type(value, value.type, value.length or OPEN)
    if value.nullable:
        schema = _or_null(schema)
    schema = {"description": describe(value), **schema}
    if value.deprecated:
        schema["deprecated"] = True
    if value.missing is not None:
        schema["default"] = value.missing.value
    return schema


def _or_null(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _type(value: Value, type_: Type, length: Bounds) -> Schema:
    match type_:
        case Primitive("int"):
            bounds = (value.range or OPEN).within(INT64)
            return {"type": "integer", **_limit(bounds, "minimum", "maximum")}
        case Primitive("float"):
            bounds = value.range or OPEN
            number = {"type": "number", **_limit(bounds, "minimum", "maximum")}
            return {"anyOf": [number, _NONFINITE]} if value.nonfinite == "string" else number
        case Primitive("bool"):
            return {"type": "boolean"}
        case Primitive():
            # Without the group, an anchor would apply to the first or last alternative only.
            pattern = {} if value.pattern is None else {"pattern": f"^(?:{value.pattern})$"}
            return {"type": "string", **_limit(length, "minLength", "maxLength"), **pattern}
        case EnumType(enum) | RecordType(enum):
            return _refer(enum.name)
        case ListType(item):
            items = _type(value, item, OPEN)
            return {"type": "array", "items": items, **_limit(length, "minItems", "maxItems")}
        case MapType(item):
            items = _type(value, item, OPEN)
            limits = _limit(length, "minProperties", "maxProperties")
            return {"type": "object", "additionalProperties": items, **limits}


def _limit(bounds: Bounds, least: str, greatest: str) -> Schema:
    limits = {least: bounds.low, greatest: bounds.high}
    return {keyword: limit for keyword, limit in limits.items() if limit is not None}


def _enum(enum: Enum, is_open: bool = False) -> Schema:
    known: Schema = {"enum": [member.name for member in enum.members]}
    any_member = {"anyOf": [known, _UNKNOWN_MEMBER]}
    return {"description": enum.doc} | (any_member if enum.open or is_open else known)


def _refer(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _print(value: object, indent: int = 0, lead: int = 0) -> str:
    """Print a JSON value on the current line if it fits there after `lead` characters, else on several lines."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    is_split = isinstance(value, dict | list) and len(text) + indent + lead >= _WIDTH
    if not value or not (is_split or indent == 0):
        return text
    inner, outer = "\n" + " " * (indent + 2), "\n" + " " * indent
    if isinstance(value, dict):
        keys = ((f"{json.dumps(key)}: ", item) for key, item in value.items())
        parts = [key + _print(item, indent + 2, len(key)) for key, item in keys]
        return "{" + inner + f",{inner}".join(parts) + outer + "}"
    assert isinstance(value, list)
    return "[" + inner + f",{inner}".join(_print(one, indent + 2) for one in value) + outer + "]"
