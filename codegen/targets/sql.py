"""Target SQL: a DuckDB view of every event, over the lines of a log.

A payload is cast as a whole to the type of its event, which refuses unknown and missing keys. Where the
contract lets readers do without a key, or knows a value under another name than the wire does, the fields
are looked up one by one instead.
"""

from collections.abc import Iterable, Iterator

from codegen.model import (
    Contract,
    EnumType,
    Envelope,
    Event,
    ListType,
    MapType,
    Primitive,
    RecordType,
    Type,
    Value,
)
from codegen.output import Chunk, Output, Target
from codegen.printable import environment
from codegen.quoting.columns import name_columns
from codegen.quoting.sql import Sql, code, comment, join, lit, name
from codegen.quoting.wording import describe

_PATH = "views.sql"
_TEMPLATES = environment("sql", Sql)
_PRIMITIVES = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "str": "VARCHAR"}
_PAYLOAD = name("payload")
_FIELDS = name("_fields")


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the script that makes the views."""
    views = [_view(event, contract.envelope) for event in contract.events]
    yield Output(_PATH, (_lines(contract.envelope.fields), *views))


TARGET = Target(
    name="sql",
    root="package",
    outputs=lambda contract: [_PATH],
    render=render,
    sources=("quoting",),
)


def _chunk(key: str, template: str, **values: object) -> Chunk:
    text = _TEMPLATES.get_template(template).render(**values).strip("\n")
    return Chunk(key, f"\n{text}\n")


def _lines(envelope: Iterable[Value]) -> Chunk:
    return _chunk(
        "Envelope",
        "lines.sql.j2",
        keys=[_declare_key(key, one.type) for one in envelope for key in _keys(one)],
        columns=[_column(_read_column(one), one, one.name) for one in envelope],
    )


def _view(event: Event, envelope: Envelope) -> Chunk:
    is_whole = not any(_is_loose(value) for value in event.fields)
    return _chunk(
        event.name,
        "view.sql.j2",
        name=name(event.name.lower()),
        event=lit(event.name),
        doc=lit(event.doc),
        envelope=join(", ", [name(one.name) for one in envelope.fields]),
        columns=[
            _column(_take(one) if is_whole else _look_up(one, _PAYLOAD), one, column)
            for column, one in name_columns(envelope, event.fields)
        ],
        fields=list(_declare(event.fields)) if is_whole else [],
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


def _keys(value: Value) -> tuple[str, ...]:
    """Return the keys under which a value may be found."""
    return (value.wire, *value.aliases)


def _read_column(value: Value) -> Sql:
    """Return the expression for a value of the envelope, whose keys have been read into columns."""
    choices = [name(key) for key in _keys(value)]
    if value.missing is not None:
        choices.append(_literal(value))
    return choices[0] if len(choices) == 1 else _call("coalesce", choices)


def _declare_key(key: str, of: Type) -> Sql:
    return code("$key: $type", key=name(key), type=lit(_spell(of)))


def _declare(fields: Iterable[Value]) -> Iterator[Sql]:
    """Declare the fields of a struct; where these are not their keys on the wire, nothing is cast to it."""
    for value in fields:
        yield code("$name $type", name=name(value.name), type=_spell(value.type))


def _spell(of: Type) -> Sql:
    """Spell a type. Enums are written out: one with a name could have that of a type of DuckDB's."""
    match of:
        case Primitive(primitive):
            return Sql(_PRIMITIVES[primitive])
        case EnumType(enum):
            if enum.open:
                return Sql("VARCHAR")
            # In the order of their numbers, so that max() gives what the contract calls the greatest.
            members = sorted(enum.members, key=lambda member: member.value)
            return _call("ENUM", [lit(member.name) for member in members])
        case RecordType(record):
            # DuckDB has no structs without fields.
            return _call("STRUCT", _declare(record.fields)) if record.fields else Sql("JSON")
        case ListType(item):
            return code("$item[]", item=_spell(item))
        case MapType(item):
            return code("MAP(VARCHAR, $item)", item=_spell(item))


def _is_loose(value: Value) -> bool:
    """Tell whether a value, or one inside it, may be missing or stand under another key than its name."""
    if value.missing is not None or _keys(value) != (value.name,):
        return True
    return _holds_loose(value.type)


def _holds_loose(of: Type) -> bool:
    match of:
        case RecordType(record):
            return any(_is_loose(value) for value in record.fields)
        case ListType(item) | MapType(item):
            return _holds_loose(item)
        case _:
            return False


def _look_up(value: Value, owner: Sql, depth: int = 0) -> Sql:
    """Return the expression that finds a value in a JSON object."""
    paths = [lit(f"/{key.replace('~', '~0').replace('/', '~1')}") for key in _keys(value)]
    found = [
        _convert(value.type, code("($owner -> $path)", owner=owner, path=path), depth)
        for path in paths
    ]
    # The last way to find it needs no condition.
    rest = _literal(value) if value.missing is not None else found.pop()
    for path, expression in reversed(list(zip(paths, found, strict=False))):
        rest = code(
            "CASE WHEN json_exists($owner, $path) THEN $found ELSE $rest END",
            owner=owner,
            path=path,
            found=expression,
            rest=rest,
        )
    return rest


def _convert(of: Type, json: Sql, depth: int) -> Sql:
    """Return the expression that turns a piece of JSON into a value."""
    item = name(f"item_{depth}")
    match of:
        case _ if _spell(of) == "VARCHAR":
            # A cast would keep the quotes of the JSON.
            return code("$json ->> '$'", json=json)
        case RecordType(record) if _holds_loose(of):
            fields = [
                code("$name := $value", name=name(one.name), value=_look_up(one, json, depth))
                for one in record.fields
            ]
            return code(
                "CASE json_type($json) WHEN 'OBJECT' THEN $struct END",
                json=json,
                struct=_call("struct_pack", fields),
            )
        case ListType(inner) if _holds_loose(of):
            return code(
                "list_transform(CAST($json AS JSON[]), lambda $item: $value)",
                json=json,
                item=item,
                value=_convert(inner, item, depth + 1),
            )
        case MapType(inner) if _holds_loose(of):
            return code(
                "map_from_entries(list_transform(map_entries(CAST($json AS MAP(VARCHAR, JSON))),"
                " lambda $item: struct_pack(key := $item.key, value := $value)))",
                json=json,
                item=item,
                value=_convert(inner, code("$item.value", item=item), depth + 1),
            )
        case _:
            return code("CAST($json AS $type)", json=json, type=_spell(of))


def _literal(value: Value) -> Sql:
    """Return what a reader puts in for a value."""
    assert value.missing is not None
    plain = value.missing.value
    if isinstance(plain, dict):
        text = Sql("MAP {}")
    elif isinstance(plain, list):
        text = code("[$items]", items=join(", ", [lit(one) for one in plain]))
    else:
        text = lit(plain)
    return code("CAST($plain AS $type)", plain=text, type=_spell(value.type))


def _call(function: str, arguments: Iterable[Sql]) -> Sql:
    return code("$function($arguments)", function=Sql(function), arguments=join(", ", arguments))
