"""JSON Schema of what the views print with `--json`, made from the types of their values and the contract's descriptions.

A TypedDict or dataclass is an object; its docstrings are the descriptions. An event is its epoch and the fields of its payload,
each of which may be null, as a log can lack it. Members of enums are texts, as a later version may add some.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from esper._generated.channel import Payload
from esper._generated.fields import EVENT_FIELDS, RECORD_FIELDS, FieldInfo
from esper.karn.story import Event

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final[Mapping[Any, dict[str, Any]]] = {
    int: {"type": "integer"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    Path: {"type": "string"},
    type(None): {"type": "null"},
    # NaN and infinities are texts, as in the log.
    float: {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]},
    Any: {},
    object: {},
}


def make_schema(type_: Any, *, title: str) -> dict[str, Any]:
    """Return the JSON Schema of values of a type, with records and payloads under `$defs`."""
    definitions: dict[str, Any] = {}
    schema = _convert(type_, definitions)
    return {"$schema": _DIALECT, "title": title, **schema, "$defs": definitions}


def _convert(type_: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(type_), get_args(type_)
    if type_ in _PLAIN:
        return dict(_PLAIN[type_])
    if origin in (Union, types.UnionType):
        return {"anyOf": [_convert(one, definitions) for one in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple):
        return {"type": "array", "items": _convert(arguments[0], definitions)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        values = _convert(arguments[1], definitions)
        return {"type": "object", "additionalProperties": values}
    if origin is Event:
        return _refer(arguments[0], definitions, is_event=True)
    if isinstance(type_, type) and issubclass(type_, Enum):
        return {"type": "string", "examples": [member.name for member in type_]}
    assert is_typeddict(type_) or is_dataclass(type_), type_
    return _refer(type_, definitions)


def _refer(type_: Any, definitions: dict[str, Any], *, is_event: bool = False) -> dict[str, Any]:
    name = f"{type_.__name__}Event" if is_event else type_.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] |= _object(type_, definitions, is_event=is_event)
    return {"$ref": f"#/$defs/{name}"}


def _object(type_: Any, definitions: dict[str, Any], *, is_event: bool) -> dict[str, Any]:
    hints = get_type_hints(type_)
    # Constants of the class, such as the name of an event, are not fields.
    names = [one.name for one in fields(type_)] if is_dataclass(type_) else list(hints)
    docs, contract = _attribute_docs(type_), _contract_fields(type_)
    properties: dict[str, Any] = {}
    if is_event:
        properties["epoch"] = {"type": ["integer", "null"], "description": "Epoch, from 1."}
    for name in names:
        schema = _convert(hints[name], definitions)
        info = contract.get(name)
        if info is not None:
            schema = {"anyOf": [schema, {"type": "null"}], "description": info.doc}
            if info.unit not in (None, "1"):
                schema["unit"] = info.unit
        elif name in docs:
            schema["description"] = docs[name]
        properties[name] = schema
    is_dict = is_typeddict(type_)
    required = sorted(type_.__required_keys__) if is_dict else list(properties)
    return {
        "type": "object",
        "description": (type_.__doc__ or "").strip().partition("\n")[0],
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _contract_fields(type_: Any) -> Mapping[str, FieldInfo]:
    """Return the contract's fields of a payload or record by name; empty for another type."""
    if isinstance(type_, type) and issubclass(type_, Payload):
        return {one.name: one for one in EVENT_FIELDS[type_.EVENT]}
    if type_.__module__ == "esper._generated.records":
        return {one.name: one for one in RECORD_FIELDS.get(type_.__name__, ())}
    return {}


@cache
def _attribute_docs(type_: Any) -> Mapping[str, str]:
    """Return the docstrings below the attributes of a class, which Python does not keep."""
    found: dict[str, str] = {}
    for base in [one for one in type_.__mro__ if one.__module__.startswith("esper.")] or [type_]:
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError):
            # Without source files, the descriptions are missing.
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for one, following in pairwise(body):
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                match following:
                    case ast.Expr(value=ast.Constant(value=str(doc))):
                        found.setdefault(one.target.id, " ".join(doc.split()))
    return found
