"""Target SQL: a DuckDB view of every event, over the lines of a log.

A payload is cast as a whole to the type of its event; the cast leaves out unknown keys, and a value that does not have
its type becomes NULL. If a key may be missing, or differs from the name of its field, the fields are read one by one
instead.
"""

from collections.abc import Iterator

from ..contract.model import Contract, Envelope, Event, Value
from ..languages.printable import environment
from ..languages.sql.quoting import Sql, code, comment, join, lit, name
from ..languages.sql.reading import convert, literal, look_up
from ..languages.sql.types import call, declare, is_loose, keys, sql_type
from ..languages.wording import describe, name_columns
from .target import Chunk, Output, Target

_PATH = "views.sql"
_TEMPLATES = environment("sql", Sql)
_PAYLOAD = name("payload")
_FIELDS = name("_fields")


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the script that creates the views."""
    views = [_view(event, contract.envelope) for event in contract.events]
    yield Output(_PATH, (_lines(contract), *views))


TARGET = Target(
    name="sql",
    root="package",
    outputs=lambda contract: [_PATH],
    render=render,
)


def _chunk(key: str, template: str, **values: object) -> Chunk:
    text = _TEMPLATES.get_template(template).render(**values).strip("\n")
    return Chunk(key, f"\n{text}\n")


def _lines(contract: Contract) -> Chunk:
    envelope = contract.envelope.fields
    return _chunk(
        "Envelope",
        "lines.sql.j2",
        keys=[_declare_key(key, one) for one in envelope for key in keys(one)],
        columns=[_column(_read_column(one), one, one.name) for one in envelope],
        events=[lit(event.name) for event in contract.events],
    )


def _view(event: Event, envelope: Envelope) -> Chunk:
    is_whole = not any(is_loose(value) for value in event.fields)
    return _chunk(
        event.name,
        "view.sql.j2",
        name=name(event.name.lower()),
        event=lit(event.name),
        doc=lit(event.doc),
        envelope=join(", ", [name(one.name) for one in envelope.fields]),
        columns=[
            _column(_take(one) if is_whole else look_up(one, _PAYLOAD), one, column)
            for column, one in name_columns(envelope, event.fields)
        ],
        fields=list(declare(event.fields)) if is_whole else [],
    )


def _column(expression: Sql, value: Value, column: str) -> dict[str, Sql]:
    """Prepare a column of a view."""
    named = code("$expression AS $column", expression=expression, column=name(column))
    return {
        "expression": expression if expression == name(column) else named,
        "comment": comment(describe(value)),
    }


def _take(value: Value) -> Sql:
    """Return the expression for a field of a payload that was cast as a whole."""
    return code("$fields.$name", fields=_FIELDS, name=name(value.name))


def _read_column(value: Value) -> Sql:
    """Return the expression for a value of the envelope, whose keys are columns already."""
    columns = [name(key) for key in keys(value)]
    if value.missing is None:
        return columns[0] if len(columns) == 1 else call("coalesce", columns)
    # A key that is missing has its default, but one with a value that the type cannot hold is NULL.
    expression = literal(value)
    for column in reversed(columns):
        expression = code(
            "CASE WHEN $column IS NULL THEN $rest ELSE $found END",
            column=column,
            rest=expression,
            found=convert(value.type, column),
        )
    return expression


def _declare_key(key: str, value: Value) -> Sql:
    type_ = Sql("JSON") if value.missing is not None else sql_type(value.type)
    return code("$key: $type", key=name(key), type=lit(type_))
