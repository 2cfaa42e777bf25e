"""Target JSON Schema: the schema of a line of the log, as strict as the codec."""

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
from ..diagnostics.errors import QuotingError
from ..languages.wording import describe
from .target import Chunk, Output, Target

Schema = dict[str, Any]

_PATH = "telemetry.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NONFINITE: Schema = {"enum": ["NaN", "Infinity", "-Infinity"]}
_UNKNOWN_MEMBER: Schema = {"type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,63}$"}
_WIDTH = 100


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the schema of a line; without a template, as JSON is printed from values.

    Raises:
        QuotingError: the printed schema does not read back as the same values.
    """
    schema = line_schema(contract)
    text = _print(schema)
    if json.loads(text) != schema:
        raise QuotingError("the printed schema does not read back as the same values")
    yield Output(_PATH, (Chunk("", f"{text}\n"),))


TARGET = Target(
    name="json_schema",
    root="package",
    outputs=lambda contract: [_PATH],
    render=render,
)


def line_schema(contract: Contract) -> Schema:
    """Return the schema of a line."""
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


def _enum(enum: Enum) -> Schema:
    known: Schema = {"enum": [member.name for member in enum.members]}
    return {"description": enum.doc} | ({"anyOf": [known, _UNKNOWN_MEMBER]} if enum.open else known)


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
