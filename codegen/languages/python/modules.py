"""The modules of a generated package: the names that each defines, and where each name is imported from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...contract.model import Contract, Event, Record
from ...diagnostics.findings import Span

STANDARD = {
    "Annotated": "typing",
    "Any": "typing",
    "Callable": "collections.abc",
    "ClassVar": "typing",
    "Collection": "collections.abc",
    "DecodeError": "msgspec",
    "Enum": "enum",
    "IntEnum": "enum",
    "JSONDecoder": "json",
    "Integral": "numbers",
    "Iterator": "collections.abc",
    "KW_ONLY": "dataclasses",
    "Literal": "typing",
    "Mapping": "collections.abc",
    "Meta": "msgspec",
    "MsgspecError": "msgspec",
    "NamedTuple": "typing",
    "NoReturn": "typing",
    "Protocol": "typing",
    "Raw": "msgspec",
    "Real": "numbers",
    "Sequence": "collections.abc",
    "Struct": "msgspec",
    "TYPE_CHECKING": "typing",
    "TypeVar": "typing",
    "cache": "functools",
    "crc32": "zlib",
    "dataclass": "dataclasses",
    "dataclasses": "dataclasses",
    "import_module": "importlib",
    "inf": "math",
    "isfinite": "math",
    "json": "msgspec",
    "msgspec": "msgspec",
    "re": "re",
}
"""The module from which a generated module imports each name; a name that maps to itself is a module."""

STATIC = {
    "checks": (
        "ContractError",
        "FrozenMap",
        "INT64_MAX",
        "INT64_MIN",
        "check_any_float",
        "check_bool",
        "check_enum",
        "check_float",
        "check_int",
        "check_list",
        "check_map",
        "check_or_drop_float",
        "check_pattern",
        "check_record",
        "check_str",
        "refuse",
        "set_field",
        "show",
    ),
    "drafts": ("draft_of",),
    "lazy": ("LazyMap", "import_name"),
    "enums": (),
    "channel": ("Channel", "Context", "Payload"),
    "records": (),
    "envelope": ("Envelope", "make_envelope"),
    "envelope_wire": ("LineWire", "read_envelope"),
    "records_wire": ("NonFinite", "write_nonfinite"),
    "fields": ("ENVELOPE_FIELDS", "EVENT_FIELDS", "FieldInfo", "RECORD_FIELDS"),
    "registry": (
        "DEPRECATED",
        "ENUMS",
        "EVENTS",
        "LEVELS",
        "OPEN_ENUMS",
        "RECORDS",
        "RETIRED",
        "VERSION",
    ),
    "rewriting": ("clamp", "each", "fill", "put", "rename", "scale", "take", "to_integer"),
    "upcasters": ("check_version", "needs_no_upcast", "upcast"),
    "unknown": ("UnknownName", "UnknownPayload", "unknown_member"),
    "strict": ("read_line", "read_payload", "refuse_repeated_keys"),
    "codec": (
        "decode_line",
        "decode_payload",
        "encode_line",
        "encode_payload",
        "inspect_line",
        "preload_events",
    ),
}
"""The modules that every package has, and the names that they define for every contract."""

WIRE_TABLE = "WIRES"
"""The table of events that the wire module of every family defines."""

BUILTINS = frozenset([
    "Exception", "KeyError", "OverflowError", "RecursionError", "TypeError", "UnicodeDecodeError",
    "UnicodeEncodeError", "ValueError", "all", "any", "bool", "bytes", "dict", "enumerate",
    "float", "frozenset", "int", "isinstance", "len", "list", "map", "max", "min", "object", "property",
    "repr", "round", "str", "super", "tuple", "type",
])  # fmt: skip
"""The builtins that generated modules use; the gate refuses any other."""

_LOCALS = (
    "self",
    "channel",
    "source",
    "draft",
    "has_group",
    "payload",
    "error",
    "wire",
    "record",
    "item",
    "key",
)

TAKEN_WORDS = frozenset(
    [
        *(name for name in STANDARD if name.islower()),
        *(name for names in STATIC.values() for name in names if name.islower()),
        *_LOCALS,
    ]
)
"""Names that a field cannot have, because the functions that handle it use them for something else."""


@dataclass(frozen=True, slots=True)
class Defined:
    """A name that a module of the package defines, and the place in the contract that it comes from."""

    name: str
    module: str
    span: Span


def names_of(contract: Contract) -> Iterator[Defined]:
    """Yield the public names that the modules define for this contract."""
    for enum in contract.enums:
        yield Defined(enum.name, "enums", enum.span)
        yield Defined(table_name(enum.name), "records_wire", enum.span)
    for record in contract.records:
        yield Defined(record.name, "records", record.span)
        for name in wire_names(record):
            yield Defined(name, "records_wire", record.span)
    for family in contract.families:
        for name, events in family.sources.items():
            yield Defined(name, family.name, events[0].span)
        for event in family.events:
            yield Defined(event.payload, family.name, event.span)
            if event.retired is None:
                yield Defined(helper_name(event), family.name, event.span)
            for name in wire_names(event):
                yield Defined(name, f"{family.name}_wire", event.span)


def find_homes(contract: Contract, package: str) -> dict[str, str]:
    """Return the module of every name that a generated module may import."""
    homes = dict(STANDARD)
    for module, names in STATIC.items():
        homes |= dict.fromkeys(names, f"{package}.{module}")
    for defined in names_of(contract):
        homes[defined.name] = f"{package}.{defined.module}"
    return homes


def helper_name(event: Event) -> str:
    """Return the name of an event's emission helper."""
    return f"emit_{event.name.lower()}"


def draft_name(event: Event) -> str:
    """Return the private name of the class that makes drafts of an event's payload."""
    return f"_{stem(event)}Draft"


def wire_names(owner: Event | Record) -> tuple[str, str, str]:
    """Return the names of a wire struct, of the function that writes it and of the one that reads it."""
    name = stem(owner)
    return f"{name}Wire", f"write_{snake(name)}", f"read_{snake(name)}"


def table_name(enum: str) -> str:
    """Return the name of the table of an enum's members by name."""
    return f"{snake(enum).upper()}_BY_NAME"


def fields_name(owner: Event | Record) -> str:
    """Return the name of the constant that describes the fields of a payload or record."""
    if isinstance(owner, Event):
        return f"{owner.name}_EVENT"
    return f"{snake(owner.name).upper()}_RECORD"


def stem(owner: Event | Record) -> str:
    """Return the part of a payload's or record's name that the names derived from it share."""
    return owner.payload.removesuffix("Payload") if isinstance(owner, Event) else owner.name


def snake(name: str) -> str:
    """Convert the name of a class to snake case: HTTPError becomes http_error."""
    return re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
