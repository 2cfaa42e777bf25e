"""SQL expressions that read values from JSON one by one, for payloads that cannot be cast as a whole."""

from ...contract.model import EnumType, ListType, MapType, RecordType, Type, Value
from .quoting import Sql, code, join, lit, name
from .types import call, holds_loose, keys, sql_type


def look_up(value: Value, owner: Sql, depth: int = 0) -> Sql:
    """Return the expression that reads a value from the JSON object `owner`; `depth` numbers nested lambdas."""
    paths = [lit(f"/{key.replace('~', '~0').replace('/', '~1')}") for key in keys(value)]
    found = [
        convert(value.type, code("($owner -> $path)", owner=owner, path=path), depth)
        for path in paths
    ]
    # The last alternative needs no condition.
    rest = literal(value) if value.missing is not None else found.pop()
    for path, expression in reversed(list(zip(paths, found, strict=False))):
        rest = code(
            "CASE WHEN json_exists($owner, $path) THEN $found ELSE $rest END",
            owner=owner,
            path=path,
            found=expression,
            rest=rest,
        )
    return rest


def convert(type_: Type, json: Sql, depth: int = 0) -> Sql:
    """Return the expression that converts JSON to the SQL type; it is NULL for a value that the type cannot hold."""
    item = name(f"item_{depth}")
    match type_:
        case _ if sql_type(type_) == "VARCHAR":
            # A cast would keep the quotes of the JSON.
            return code("$json ->> '$'", json=json)
        case EnumType():
            return code("TRY_CAST($json ->> '$' AS $type)", json=json, type=sql_type(type_))
        case RecordType(record) if holds_loose(type_):
            fields = [
                code("$name := $value", name=name(one.name), value=look_up(one, json, depth))
                for one in record.fields
            ]
            return code(
                "CASE json_type($json) WHEN 'OBJECT' THEN $struct END",
                json=json,
                struct=call("struct_pack", fields),
            )
        case ListType(inner) if holds_loose(type_):
            return code(
                "list_transform(TRY_CAST($json AS JSON[]), lambda $item: $value)",
                json=json,
                item=item,
                value=convert(inner, item, depth + 1),
            )
        case MapType(inner) if holds_loose(type_):
            return code(
                "map_from_entries(list_transform(map_entries(TRY_CAST($json AS MAP(VARCHAR, JSON))),"
                " lambda $item: struct_pack(key := $item.key, value := $value)))",
                json=json,
                item=item,
                value=convert(inner, code("$item.value", item=item), depth + 1),
            )
        case _:
            return code("TRY_CAST($json AS $type)", json=json, type=sql_type(type_))


def literal(value: Value) -> Sql:
    """Return the literal of the value that readers use when the key is missing."""
    assert value.missing is not None
    plain = value.missing.value
    if isinstance(plain, dict):
        text = Sql("MAP {}")
    elif isinstance(plain, list):
        text = code("[$items]", items=join(", ", [lit(one) for one in plain]))
    else:
        text = lit(plain)
    return code("CAST($plain AS $type)", plain=text, type=sql_type(value.type))
