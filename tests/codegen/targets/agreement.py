"""Checks that all targets agree on lines, and on the columns of tables."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
from jsonschema import Draft202012Validator

from tests.codegen.targets.conftest import Generated

Row = dict[str, Any]
Line = tuple[Any, Any]


@contextmanager
def open_views(generated: Generated, log: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database with the SQL views over a log file."""
    log.touch()
    with duckdb.connect() as connection:
        connection.execute(f"SET VARIABLE run_log = '{log}'")
        connection.execute(generated.read("views.sql"))
        yield connection


def check_line(generated: Generated, line: Line) -> None:
    """Check that codec and JSON Schema accept a line, and that it decodes to itself."""
    written = generated.codec.encode_line(*line)
    # Unlike ==, repr treats NaN as equal to NaN.
    assert repr(generated.codec.decode_line(written)) == repr(line)
    Draft202012Validator(generated.schema).validate(json.loads(written))


def check_tables(
    generated: Generated, views: duckdb.DuckDBPyConnection, log: Path, lines: Iterable[Line]
) -> None:
    """Check that the SQL views over `log` and the Arrow schemas give back the lines."""
    log.write_bytes(b"".join(generated.codec.encode_line(*line) for line in lines))
    rows: dict[str, list[Row]] = defaultdict(list)
    for envelope, payload in lines:
        rows[envelope.event].append(to_row(envelope, payload))
    for event, expected in rows.items():
        table = pyarrow.Table.from_pylist(expected, schema=generated.schema_of(event))
        table.validate(full=True)
        viewed = views.sql(f'FROM "{event.lower()}"').to_arrow_table()
        assert repr(table.to_pylist(maps_as_pydicts="strict")) == repr(expected)
        assert repr(viewed.to_pylist(maps_as_pydicts="strict")) == repr(expected)
        nulls = {name for name in table.column_names if table[name].null_count}
        assert not [name for name in nulls if not table.schema.field(name).nullable]


def check_columns(generated: Generated, views: duckdb.DuckDBPyConnection) -> None:
    """Check that the SQL views and the Arrow schemas have the same columns."""
    for event in generated.contract.events:
        viewed = views.sql(f'FROM "{event.name.lower()}"').to_arrow_table().schema
        assert describe_columns(viewed) == describe_columns(generated.schema_of(event.name))


def to_row(envelope: Any, payload: Any) -> Row:
    """Return the row of a line: the columns of the envelope, then those of the payload."""
    row: Row = to_plain(envelope)
    fields_of: Row = to_plain(payload)
    return row | {f"payload_{key}" if key in row else key: fields_of[key] for key in fields_of}


def to_plain(value: Any) -> Any:
    """Convert dataclasses to dicts, tuples to lists and enums to names."""
    if isinstance(value, IntEnum):
        return value.name
    if is_dataclass(value):
        return {one.name: to_plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return {key: to_plain(value[key]) for key in value} if isinstance(value, dict) else value


def describe_columns(columns: Any) -> list[tuple[str, str]]:
    return [(column.name, describe_type(column.type)) for column in columns]


def describe_type(type_: Any) -> str:
    """Return a type in a form common to SQL and Arrow: DuckDB returns enums as dictionaries, and no nullability."""
    if pyarrow.types.is_dictionary(type_):
        return describe_type(type_.value_type)
    if pyarrow.types.is_struct(type_):
        return str(describe_columns(type_))
    if pyarrow.types.is_list(type_):
        return f"{describe_type(type_.value_type)}[]"
    if pyarrow.types.is_map(type_):
        return f"{describe_type(type_.key_type)}: {describe_type(type_.item_type)}"
    return str(type_)
