"""How values of the contract are typed and defaulted in Python."""

from ...contract.model import EnumType, ListType, MapType, Primitive, RecordType, Type, Value
from .quoting import Python, code, ident, lit


def annotate(value: Value) -> Python:
    """Return the annotation of a value."""
    annotation = annotate_type(value.type)
    return code("{item} | None", item=annotation) if value.nullable else annotation


def annotate_type(of: Type) -> Python:
    """Return the annotation of a type: lists are tuples, since nobody may change what has been told."""
    match of:
        case Primitive(name):
            return ident(name)
        case EnumType(enum):
            # A name that this version does not know stays what it was on the wire.
            return code("{enum} | str" if enum.open else "{enum}", enum=ident(enum.name))
        case RecordType(record):
            return ident(record.name)
        case ListType(item):
            return code("tuple[{item}, ...]", item=annotate_type(item))
        case MapType(item):
            return code("Mapping[str, {item}]", item=annotate_type(item))


def default_of(value: Value) -> Python | None:
    """Return what the constructor's parameter defaults to, as an expression; None when it is required."""
    if value.default is None:
        return None
    return literal_of(value.type, value.default.value)


def literal_of(of: Type, plain: object) -> Python:
    """Return the expression for a value as it stands in the contract."""
    match of:
        case _ if plain is None:
            return lit(None)
        case EnumType(enum):
            return code("{enum}.{member}", enum=ident(enum.name), member=ident(str(plain)))
        case ListType(item):
            assert isinstance(plain, list)
            items = [literal_of(item, one) for one in plain]
            return Python(f"({''.join(f'{one}, ' for one in items)})")
        case Primitive("float"):
            assert isinstance(plain, int | float)
            return lit(float(plain))
        case MapType():
            return Python("{}")
        case _:
            return lit(plain)
