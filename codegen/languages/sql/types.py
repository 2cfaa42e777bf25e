"""SQL types of values, and which values on a line can be cast to their type directly."""

from collections.abc import Iterable, Iterator

from ...contract.model import EnumType, ListType, MapType, Primitive, RecordType, Type, Value
from .quoting import Sql, code, join, lit, name

_PRIMITIVES = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "str": "VARCHAR"}


def keys(value: Value) -> tuple[str, ...]:
    """Return the keys under which a value may be on a line."""
    return (value.wire, *value.aliases)


def declare(fields: Iterable[Value]) -> Iterator[Sql]:
    """Yield the declarations of the fields of a struct, by name; JSON with other keys cannot be cast to it."""
    for value in fields:
        yield code("$name $type", name=name(value.name), type=sql_type(value.type))


def sql_type(type_: Type) -> Sql:
    """Return the SQL type of a type. Enums are written out, because a named one could collide with a type of DuckDB."""
    match type_:
        case Primitive(primitive):
            return Sql(_PRIMITIVES[primitive])
        case EnumType(enum):
            if enum.open:
                return Sql("VARCHAR")
            # In the order of their numbers, so that max() returns the member with the greatest number.
            members = sorted(enum.members, key=lambda member: member.value)
            return call("ENUM", [lit(member.name) for member in members])
        case RecordType(record):
            # DuckDB has no struct without fields.
            return call("STRUCT", declare(record.fields)) if record.fields else Sql("JSON")
        case ListType(item):
            return code("$item[]", item=sql_type(item))
        case MapType(item):
            return code("MAP(VARCHAR, $item)", item=sql_type(item))


def is_loose(value: Value) -> bool:
    """Return whether a value, or one inside it, may be missing or have another key than its name."""
    if value.missing is not None or keys(value) != (value.name,):
        return True
    return holds_loose(value.type)


def holds_loose(type_: Type) -> bool:
    """Return whether there are loose values inside a type."""
    match type_:
        case RecordType(record):
            return any(is_loose(value) for value in record.fields)
        case ListType(item) | MapType(item):
            return holds_loose(item)
        case _:
            return False


def is_direct(value: Value) -> bool:
    """Return whether DuckDB reads a value correctly by its type: its key is its name, and a missing one means null."""
    if keys(value) != (value.name,) or (
        value.missing is not None and value.missing.value is not None
    ):
        return False
    return _is_direct_type(value.type)


def _is_direct_type(type_: Type) -> bool:
    match type_:
        case RecordType(record):
            return all(is_direct(value) for value in record.fields)
        case ListType(item) | MapType(item):
            return _is_direct_type(item)
        case _:
            return True


def call(function: str, arguments: Iterable[Sql]) -> Sql:
    """Return a call of an SQL function; its name must not be a text of a contract."""
    return code("$function($arguments)", function=Sql(function), arguments=join(", ", arguments))
