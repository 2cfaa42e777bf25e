"""All targets agree: whatever the strategies draw is what codec, schema, views and Arrow take it for."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import DataObject, data, lists
from jsonschema import Draft202012Validator

from tests.codegen.targets.conftest import Generated

Row = dict[str, Any]


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "0.jsonl"
    path.touch()
    return path


@pytest.fixture(scope="session")
def views(generated: Generated, log: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(f"SET VARIABLE run_log = '{log}'")
        connection.execute(generated.read("views.sql"))
        yield connection


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=data())
def test_a_line_decodes_to_itself_and_validates(generated: Generated, drawn: DataObject) -> None:
    envelope, payload = drawn.draw(generated.strategies.LINES)
    line = generated.codec.encode_line(envelope, payload)
    # Unlike ==, repr takes NaN for NaN.
    assert repr(generated.codec.decode_line(line)) == repr((envelope, payload))
    Draft202012Validator(generated.schema).validate(json.loads(line))


# Shrinking lists of lines that are read from disk takes minutes; a failure shows its lines as they are.
@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(drawn=data())
def test_lines_fit_the_views_and_the_arrow_schemas(
    generated: Generated, views: duckdb.DuckDBPyConnection, log: Path, drawn: DataObject
) -> None:
    lines = drawn.draw(lists(generated.strategies.LINES, min_size=1, max_size=20))
    log.write_bytes(b"".join(generated.codec.encode_line(*line) for line in lines))
    rows: dict[str, list[Row]] = defaultdict(list)
    for envelope, payload in lines:
        rows[envelope.event].append(_to_row(envelope, payload))
    for event, expected in rows.items():
        table = pyarrow.Table.from_pylist(expected, schema=generated.schema_of(event))
        table.validate(full=True)
        viewed = views.sql(f'FROM "{event.lower()}"').to_arrow_table()
        assert repr(table.to_pylist(maps_as_pydicts="strict")) == repr(expected)
        assert repr(viewed.to_pylist(maps_as_pydicts="strict")) == repr(expected)
        nulls = {name for name in table.column_names if table[name].null_count}
        assert not [name for name in nulls if not table.schema.field(name).nullable]


def test_views_and_arrow_schemas_have_the_same_columns(
    generated: Generated, views: duckdb.DuckDBPyConnection
) -> None:
    for event in generated.contract.events:
        viewed = views.sql(f'FROM "{event.name.lower()}"').to_arrow_table().schema
        assert _spell_all(viewed) == _spell_all(generated.schema_of(event.name))


def _to_row(envelope: Any, payload: Any) -> Row:
    """Put envelope and payload side by side, as tables have them."""
    row: Row = _to_plain(envelope)
    told: Row = _to_plain(payload)
    return row | {f"payload_{key}" if key in row else key: told[key] for key in told}


def _to_plain(value: Any) -> Any:
    """Turn dataclasses into dicts, tuples into lists and enums into names."""
    if isinstance(value, IntEnum):
        return value.name
    if is_dataclass(value):
        return {one.name: _to_plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    return {key: _to_plain(value[key]) for key in value} if isinstance(value, dict) else value


def _spell_all(columns: Any) -> list[tuple[str, str]]:
    return [(column.name, _spell(column.type)) for column in columns]


def _spell(of: Any) -> str:
    """Spell a type as SQL and Arrow both know it: DuckDB tells enums as dictionaries, and no nullability."""
    if pyarrow.types.is_dictionary(of):
        return _spell(of.value_type)
    if pyarrow.types.is_struct(of):
        return str(_spell_all(of))
    if pyarrow.types.is_list(of):
        return f"{_spell(of.value_type)}[]"
    if pyarrow.types.is_map(of):
        return f"{_spell(of.key_type)}: {_spell(of.item_type)}"
    return str(of)
