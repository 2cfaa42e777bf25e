"""Target SQL: a DuckDB view of every event, and one of every family of events, over the lines of a log.

DuckDB reads payloads as structs with the fields of the event, and parses only those that a query uses. It leaves out
unknown keys, and a value that does not have its type becomes NULL, as does a key that is missing. If a missing key
stands for another value, or a key differs from the name of its field, the fields are read one by one instead.
"""

from collections.abc import Iterator

from ..contract.model import Contract, Envelope, Event, Family, Value
from ..languages.printable import environment
from ..languages.sql.quoting import Sql, code, join, lit, name
from ..languages.sql.reading import convert, literal, look_up
from ..languages.sql.types import call, declare, is_direct, keys, sql_type
from ..languages.wording import describe, name_columns
from .target import Chunk, Output, Target

_PATH = "views.sql"
_TEMPLATES = environment("sql", Sql)
_PAYLOAD = name("payload")


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the script that creates the views."""
    envelope = contract.envelope
    views = [_view(event, envelope) for event in contract.events]
    families = [_family(one, envelope) for one in contract.families if _can_merge(one)]
    yield Output(_PATH, (_lines(contract), *views, *families))


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
        keys=_declare_keys(contract.envelope),
        columns=[_column(_read_column(one), one, one.name) for one in envelope],
        events=[lit(event.name) for event in contract.events],
        views=[name("_lines"), name("_unread")],
    )


def _view(event: Event, envelope: Envelope) -> Chunk:
    is_read_directly = bool(event.fields) and all(is_direct(value) for value in event.fields)
    fields = [
        _column(_take(one) if is_read_directly else look_up(one, _PAYLOAD), one, column)
        for column, one in name_columns(envelope, event.fields)
    ]
    return _chunk(
        event.name,
        "view.sql.j2",
        name=name(event.name.lower()),
        condition=code("= $event", event=lit(event.name)),
        doc=lit(event.doc),
        columns=[*_envelope_columns(envelope, is_read_directly), *fields],
        keys=_declare_keys(envelope) if is_read_directly else [],
        struct=lit(call("STRUCT", declare(event.fields))) if is_read_directly else Sql(""),
    )


def _can_merge(family: Family) -> bool:
    """Return whether one reading of the log can give the events of a family, with the fields of all of them."""
    return all(is_direct(value) for event in family.events for value in event.fields)


def _family(family: Family, envelope: Envelope) -> Chunk:
    """Render the view of a family: the events that have a field share its column; in the lines of others it is NULL."""
    merged: dict[str, Value] = {}
    types: dict[str, Sql] = {}
    for event in family.events:
        for value in event.fields:
            type_ = sql_type(value.type)
            known = types.setdefault(value.name, type_)
            merged.setdefault(value.name, value)
            if known != type_:
                types[value.name] = Sql("JSON")
    declared = [code("$name $type", name=name(one), type=types[one]) for one in merged]
    events = join(", ", [lit(event.name) for event in family.events])
    fields = [
        _column(_take(one), one, column) for column, one in name_columns(envelope, merged.values())
    ]
    return _chunk(
        family.name,
        "view.sql.j2",
        name=name(f"_{family.name}"),
        condition=code("IN ($events)", events=events),
        doc=lit(f"The events of the family {family.name}. {family.doc}"),
        columns=[*_envelope_columns(envelope, True), *fields],
        keys=_declare_keys(envelope),
        struct=lit(call("STRUCT", declared)) if declared else lit("JSON"),
    )


def _envelope_columns(envelope: Envelope, is_read_directly: bool) -> list[dict[str, Sql]]:
    """Prepare the columns of the envelope, which `_lines` has already read where the payload is not read directly."""
    return [
        _column(_read_column(one) if is_read_directly else name(one.name), one, one.name)
        for one in envelope.fields
    ]


def _column(expression: Sql, value: Value, column: str) -> dict[str, Sql]:
    """Prepare a column of a view."""
    named = code("$expression AS $column", expression=expression, column=name(column))
    return {
        "expression": expression if expression == name(column) else named,
        "name": name(column),
        "doc": lit(describe(value)),
    }


def _take(value: Value) -> Sql:
    """Return the expression for a field of a payload that is read as a struct."""
    return code("$payload.$name", payload=_PAYLOAD, name=name(value.name))


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


def _declare_keys(envelope: Envelope) -> list[Sql]:
    """Return the declarations of the keys of a line, but not of its payload."""
    return [_declare_key(key, one) for one in envelope.fields for key in keys(one)]


def _declare_key(key: str, value: Value) -> Sql:
    type_ = Sql("JSON") if value.missing is not None else sql_type(value.type)
    return code("$key: $type", key=name(key), type=lit(type_))
