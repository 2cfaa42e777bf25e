"""JSON Schema of the rows of a view, as `esper query --format json` writes them, with the contract's descriptions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from esper.karn.sql.database import Column

_TYPES: Final[dict[str, list[str]]] = {
    "BIGINT": ["integer", "null"],
    "HUGEINT": ["integer", "null"],
    # NaN and infinities are texts, as in the log.
    "DOUBLE": ["number", "string", "null"],
    "BOOLEAN": ["boolean", "null"],
}
_UNIT = re.compile(r"^(?P<doc>.*?)(?: \[(?P<unit>[^\[\]]+)\])?$", re.DOTALL)


def row_schema(doc: str, columns: Sequence[Column]) -> dict[str, Any]:
    """Return the JSON Schema of a row; units are under the key `unit`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "description": doc,
        "properties": {column.name: _property(column) for column in columns},
        "required": [column.name for column in columns],
        "additionalProperties": False,
    }


def _property(column: Column) -> dict[str, Any]:
    found = _UNIT.match(column.doc)
    assert found is not None
    schema: dict[str, Any] = {"type": _json_type(column.type), "description": found["doc"]}
    if found["unit"] is not None:
        schema["unit"] = found["unit"]
    if column.type.startswith("ENUM(") and column.type.endswith(")"):
        schema["enum"] = [*re.findall(r"'((?:[^']|'')*)'", column.type), None]
    return schema


def _json_type(type_: str) -> list[str]:
    if type_.endswith("[]"):
        return ["array", "null"]
    if type_.startswith(("STRUCT(", "MAP(")):
        return ["object", "null"]
    return _TYPES.get(type_, ["string", "null"])
