"""Target Arrow: the schema of a table for each event, with the columns of its SQL view."""

from collections.abc import Iterable, Iterator

from ..contract.model import (
    Contract,
    EnumType,
    ListType,
    MapType,
    Primitive,
    RecordType,
    Type,
    Value,
)
from ..languages.printable import environment
from ..languages.python.imports import import_block, names_used
from ..languages.python.modules import fields_name
from ..languages.python.quoting import Python, code, doc, ident, join, lit
from ..languages.wording import name_columns, name_unit
from .target import Chunk, Output, Target

_PATH = "arrow_schemas.py"
_TEMPLATES = environment("arrow", Python)
_PRIMITIVES = {"int": "int64()", "float": "float64()", "bool": "bool_()", "str": "string()"}
_PYARROW = (
    *(
        "Schema",
        "StructType",
        "Table",
        "bool_",
        "field",
        "float64",
        "int64",
        "list_",
        "map_",
        "schema",
    ),
    *("string", "struct"),
)
_HOMES = dict.fromkeys(_PYARROW, "pyarrow") | {"Mapping": "collections.abc"}


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the module of schemas."""
    chunks = list(_chunks(contract))
    used = {name for chunk in chunks for name in names_used(chunk.text)}
    head = join("\n\n", [doc("Arrow schemas of tables of events."), import_block(used, _HOMES)])
    yield Output(_PATH, (Chunk("", head), *chunks))


TARGET = Target(
    name="arrow",
    root="tests",
    outputs=lambda contract: [_PATH],
    render=render,
)


def _chunks(contract: Contract) -> Iterator[Chunk]:
    for record in contract.records:
        columns = _declare((one.name, one) for one in record.fields)
        yield _chunk(record.name, "record.py.j2", name=ident(fields_name(record)), columns=columns)
    envelope = _declare((one.name, one) for one in contract.envelope.fields)
    yield _chunk("Envelope", "envelope.py.j2", columns=envelope)
    for event in contract.events:
        columns = _declare(name_columns(contract.envelope, event.fields))
        yield _chunk(event.name, "event.py.j2", name=ident(fields_name(event)), columns=columns)
    events = [(lit(event.name), ident(fields_name(event))) for event in contract.events]
    yield _chunk("tables", "tables.py.j2", events=events)


def _chunk(key: str, template: str, **values: object) -> Chunk:
    return Chunk(key, _TEMPLATES.get_template(template).render(**values).strip("\n"))


def _declare(columns: Iterable[tuple[str, Value]]) -> list[Python]:
    declared = []
    for column, value in columns:
        parts = [lit(column), _arrow_type(value.type)]
        if not value.nullable:
            parts.append(Python("nullable=False"))
        unit = name_unit(value)
        if unit:
            parts.append(code('metadata={{"unit": {unit}}}', unit=lit(unit)))
        declared.append(code("field({parts})", parts=join(", ", parts)))
    return declared


def _arrow_type(type_: Type) -> Python:
    match type_:
        case Primitive(primitive):
            return Python(_PRIMITIVES[primitive])
        case EnumType():
            # Not a dictionary: pyarrow cannot build one inside a struct that is null.
            return Python("string()")
        case RecordType(record):
            return ident(fields_name(record))
        case ListType(item):
            # The items of a list are never null.
            return code('list_(field("item", {item}, nullable=False))', item=_arrow_type(item))
        case MapType(item):
            return code(
                'map_(string(), field("value", {item}, nullable=False))', item=_arrow_type(item)
            )
