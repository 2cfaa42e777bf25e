"""How values are typed in SQL, and which of them can be cast to their type as they stand on a line."""

from collections.abc import Iterable, Iterator

from ...contract.model import EnumType, ListType, MapType, Primitive, RecordType, Type, Value
from .quoting import Sql, code, join, lit, name

_PRIMITIVES = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "str": "VARCHAR"}


def keys(value: Value) -> tuple[str, ...]:
    """Return the keys under which a value may be found."""
    return (value.wire, *value.aliases)


def declare(fields: Iterable[Value]) -> Iterator[Sql]:
    """Declare the fields of a struct; where these are not their keys on the wire, nothing is cast to it."""
    for value in fields:
        yield code("$name $type", name=name(value.name), type=spell(value.type))


def spell(of: Type) -> Sql:
    """Spell a type. Enums are written out: one with a name could have that of a type of DuckDB's."""
    match of:
        case Primitive(primitive):
            return Sql(_PRIMITIVES[primitive])
        case EnumType(enum):
            if enum.open:
                return Sql("VARCHAR")
            # In the order of their numbers, so that max() gives what the contract calls the greatest.
            members = sorted(enum.members, key=lambda member: member.value)
            return call("ENUM", [lit(member.name) for member in members])
        case RecordType(record):
            # DuckDB has no structs without fields.
            return call("STRUCT", declare(record.fields)) if record.fields else Sql("JSON")
        case ListType(item):
            return code("$item[]", item=spell(item))
        case MapType(item):
            return code("MAP(VARCHAR, $item)", item=spell(item))


def is_loose(value: Value) -> bool:
    """Tell whether a value, or one inside it, may be missing or stand under another key than its name."""
    if value.missing is not None or keys(value) != (value.name,):
        return True
    return holds_loose(value.type)


def holds_loose(of: Type) -> bool:
    """Tell whether a type has loose values inside."""
    match of:
        case RecordType(record):
            return any(is_loose(value) for value in record.fields)
        case ListType(item) | MapType(item):
            return holds_loose(item)
        case _:
            return False


def call(function: str, arguments: Iterable[Sql]) -> Sql:
    """Call a function of ours."""
    return code("$function($arguments)", function=Sql(function), arguments=join(", ", arguments))
