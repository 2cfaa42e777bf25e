"""The JSON Schema of contract files, derived from the classes in `spec`."""

from typing import Any, Literal, get_args, get_origin

from .bind import BoundKey, keys_of
from .forms import Form
from .nodes import Bounds, Given, Node
from .spec import ContractSpec

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BOUND: Schema = {"type": ["number", "null"]}
_PLAIN: dict[type, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


def contract_schema() -> Schema:
    """Return the schema; it covers the form of a file, and not the rules."""
    definitions: dict[str, Schema] = {}
    root = _node_schema(ContractSpec, definitions)
    return {"$schema": _DIALECT, "title": "A telemetry contract", **root, "$defs": definitions}


def _node_schema(cls: type[Node], definitions: dict[str, Schema]) -> Schema:
    keys = keys_of(cls).values()  # type: ignore[arg-type]  # a class is hashable
    return {
        "description": (cls.__doc__ or "").strip(),
        "type": "object",
        "properties": {key.name: _key_schema(key, definitions) for key in keys},
        "required": [key.name for key in keys if key.is_required],
        "additionalProperties": False,
    }


def _refer(cls: type[Node], definitions: dict[str, Schema]) -> Schema:
    name = cls.__name__.removesuffix("Spec")
    if name not in definitions:
        # The class may contain itself, so the definition is entered before it is built.
        definitions[name] = {}
        definitions[name] = _node_schema(cls, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _key_schema(key: BoundKey, definitions: dict[str, Schema]) -> Schema:
    return {"description": key.declared.doc, **_value_schema(key, definitions)}


def _value_schema(key: BoundKey, definitions: dict[str, Schema]) -> Schema:
    annotation = key.annotation
    if annotation is Given:
        return {}
    if annotation is Bounds:
        return {"type": "array", "prefixItems": [_BOUND, _BOUND], "items": False, "minItems": 2}
    if get_origin(annotation) is Literal:
        return {"enum": list(get_args(annotation))}
    if get_origin(annotation) is tuple:
        return _many_schema(get_args(annotation)[0], key, definitions)
    if issubclass(annotation, Node):
        return _refer(annotation, definitions)
    return _PLAIN[annotation] | _form_schema(key.declared.form)


def _many_schema(item: Any, key: BoundKey, definitions: dict[str, Schema]) -> Schema:
    if item is str:
        return {"type": "array", "items": {"type": "string", **_form_schema(key.declared.form)}}
    names = _form_schema(key.declared.names)
    return {
        "type": "object",
        "propertyNames": names,
        "additionalProperties": _refer(item, definitions),
    }


def _form_schema(form: Form | None) -> Schema:
    if form is None:
        return {}
    return {"pattern": f"^(?:{form.pattern})$", "maxLength": form.max_length}
