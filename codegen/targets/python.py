"""Target Python: enums, records, payloads, protocols, emission helpers, codec and registry."""

from collections.abc import Iterable, Iterator, Mapping

from codegen.model import Contract, Event, Family, Value
from codegen.output import Chunk, Output, Target
from codegen.printable import environment
from codegen.pycode.imports import import_block, import_order, names_used
from codegen.pycode.quoting import Python, code, doc, ident, join, lit
from codegen.pycode.wire import snake, view_wire
from codegen.pycode.wire_views import EnumWireView, EventWireView, field_info, view_record_wire
from codegen.pycode.views import (
    EnumView,
    EventView,
    RecordView,
    SourceView,
    draft_name,
    helper_name,
    view_record,
)

_TEMPLATES = environment("python", Python)
_STANDARD = {
    "Annotated": "typing",
    "DecodeError": "msgspec",
    "Literal": "typing",
    "Meta": "msgspec",
    "MsgspecError": "msgspec",
    "Raw": "msgspec",
    "Struct": "msgspec",
    "json": "msgspec",
    "msgspec": "msgspec",
    "Any": "typing",
    "Callable": "collections.abc",
    "ClassVar": "typing",
    "IntEnum": "enum",
    "Mapping": "collections.abc",
    "NoReturn": "typing",
    "Protocol": "typing",
    "TypeVar": "typing",
    "dataclass": "dataclasses",
    "dataclasses": "dataclasses",
    "inf": "math",
    "isfinite": "math",
    "re": "re",
    "sys": "sys",
    "sysconfig": "sysconfig",
}
_CHECKS = [
    "ContractError",
    "INT64_MAX",
    "INT64_MIN",
    "check_any_float",
    "check_bool",
    "check_enum",
    "check_float",
    "check_int",
    "check_list",
    "check_map",
    "check_open_enum",
    "check_or_drop_float",
    "check_pattern",
    "check_record",
    "check_str",
    "refuse",
    "set_field",
    "show",
]


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render every Python module of the package."""
    homes = _homes(contract, package)
    for name, text, chunks in _modules(contract):
        chunks = list(chunks)
        own = {home for home, module in homes.items() if module == f"{package}.{name}"}
        used = {used for chunk in chunks for used in names_used(chunk.text)} - own
        yield Output(f"{name}.py", (_preamble(text, import_block(used, homes)), *chunks))
    yield _package(contract, package)


TARGET = Target(name="python", root="package", render=render)


def _modules(contract: Contract) -> Iterator[tuple[str, str, Iterable[Chunk]]]:
    yield "checks", "Checks of values against the contract, thorough and with reasons.", _static(
        "checks"
    )
    yield "drafts", "How a payload is built quickly, and whether it can be.", _static("drafts")
    yield "enums", "The enums of the contract; on the wire their members go by name.", [
        _chunk(enum.name, "enum.py.j2", enum=EnumView(enum)) for enum in contract.enums
    ]
    yield "channel", "What an emission helper sends to.", _channel_chunks(contract)
    yield "records", "The records of the contract.", [
        _chunk(one.name, "record.py.j2", record=view_record(one)) for one in contract.records
    ]
    for family in contract.families:
        yield family.name, family.doc, _family_chunks(family)
        yield f"{family.name}_wire", f"On the wire: {family.doc}", [
            _chunk(event.name, "wire.py.j2", wire=EventWireView(event)) for event in family.events
        ]
    yield "envelope", "What every line says beside its payload.", _envelope_chunks(contract)
    yield "records_wire", "Enums and records on the wire.", _record_wire_chunks(contract)
    yield "fields", "What the contract says about every field.", _field_chunks(contract)
    yield "registry", "Everything that the contract knows, by name.", _registry_chunks(contract)
    yield "strict", "Reads lines field by field, and says what is wrong with one.", _static(
        "strict"
    )
    yield "codec", "Writes events as lines of JSON, and reads them back.", _codec_chunks(contract)


def _static(name: str) -> Iterator[Chunk]:
    yield _chunk(name, f"{name}.py.j2")


def _channel_chunks(contract: Contract) -> Iterator[Chunk]:
    text = "What is bound by whoever loops, and stamped on every event."
    yield _chunk("Context", "record.py.j2", record=RecordView("Context", text, contract.context))
    yield from _static("channel")


def _family_chunks(family: Family) -> Iterator[Chunk]:
    for name, events in family.sources.items():
        yield _chunk(name, "source.py.j2", source=SourceView(name, events))
    for event in family.events:
        yield _chunk(event.name, "event.py.j2", event=EventView(event))


def _envelope_chunks(contract: Contract) -> Iterator[Chunk]:
    envelope = contract.envelope
    record = RecordView("Envelope", envelope.doc, envelope.fields)
    yield _chunk("Envelope", "record.py.j2", record=record)
    fields = [view_wire(one, "envelope") for one in envelope.fields]
    yield _chunk("LineWire", "line.py.j2", fields=fields)


def _record_wire_chunks(contract: Contract) -> Iterator[Chunk]:
    yield _chunk("NonFinite", "nonfinite.py.j2")
    for enum in contract.enums:
        yield _chunk(enum.name, "enum_wire.py.j2", enum=EnumWireView(enum))
    for record in contract.records:
        yield _chunk(record.name, "wire.py.j2", wire=view_record_wire(record))


def _field_chunks(contract: Contract) -> Iterator[Chunk]:
    tables: dict[str, list[tuple[Python, Python]]] = {"events": [], "records": []}
    yield _chunk("FieldInfo", "field_info.py.j2")
    yield _fields_chunk("ENVELOPE", contract.envelope.fields)
    for record in contract.records:
        constant = f"{snake(record.name).upper()}_RECORD"
        yield _fields_chunk(constant, record.fields)
        tables["records"].append((lit(record.name), ident(constant)))
    for event in contract.events:
        constant = f"{event.name}_EVENT"
        yield _fields_chunk(constant, event.fields)
        tables["events"].append((lit(event.name), ident(constant)))
    yield _chunk("tables", "field_tables.py.j2", **tables)


def _fields_chunk(constant: str, fields: Iterable[Value]) -> Chunk:
    return _chunk(
        constant,
        "fields.py.j2",
        constant=ident(constant),
        fields=[field_info(one) for one in fields],
    )


def _registry_chunks(contract: Contract) -> Iterator[Chunk]:
    yield _chunk(
        "registry",
        "registry.py.j2",
        version=lit(contract.version),
        events=[EventWireView(event) for event in contract.events],
        records=[{"literal": lit(one.name), "name": ident(one.name)} for one in contract.records],
        enums=[{"literal": lit(one.name), "name": ident(one.name)} for one in contract.enums],
        open_enums=join("", [lit(sorted(one.name for one in contract.enums if one.open))]),
        retired=[(lit(name), lit(text)) for name, text in _retired(contract)],
    )


def _retired(contract: Contract) -> Iterator[tuple[str, str]]:
    for one in contract.retired:
        yield one.name, one.doc
    for enum in contract.enums:
        for member in enum.reserved:
            yield f"{enum.name}.{member.name}", member.doc
    for owner in (*contract.records, *contract.events):
        for one in owner.reserved:
            yield f"{owner.name}.{one.name}", one.doc


def _codec_chunks(contract: Contract) -> Iterator[Chunk]:
    fields = [view_wire(one, "envelope") for one in contract.envelope.fields]
    yield _chunk(
        "codec",
        "codec.py.j2",
        events=[EventWireView(event) for event in contract.events],
        writing=join(", ", [code("{n}={v}", n=one.name, v=one.write) for one in fields]),
        reading=join(", ", [code("{n}={v}", n=one.name, v=one.read) for one in fields]),
    )


def _chunk(key: str, template: str, **values: object) -> Chunk:
    return Chunk(key, _TEMPLATES.get_template(template).render(**values).strip("\n"))


def _preamble(text: str, imports: Python) -> Chunk:
    return Chunk("", join("\n\n", [doc(text), *([imports] if imports else [])]))


def _package(contract: Contract, package: str) -> Output:
    """Render the package's own module, which offers what users of the contract need."""
    modules = ["channel", "codec", "enums", "envelope", "fields", "records", "registry"]
    offering = {
        f"{package}.{name}" for name in (*modules, *(one.name for one in contract.families))
    }
    names = {
        name: home
        for name, home in _homes(contract, package).items()
        if (home in offering or name == "ContractError") and not name.endswith(("Draft", "Wire"))
    }
    offered = sorted(names, key=import_order)
    listing = join(", ", [lit(name) for name in offered])
    text = f"Telemetry contract {contract.version}: its events, records and enums."
    head = _preamble(text, import_block(set(names), names))
    return Output(
        "__init__.py", (head, Chunk("all", code("__all__ = [{listing}]", listing=listing)))
    )


def _homes(contract: Contract, package: str) -> Mapping[str, str]:
    """Tell where every name lives that a generated module may use."""
    homes = dict(_STANDARD)

    def live(module: str, *names: str) -> None:
        homes.update(dict.fromkeys(names, f"{package}.{module}"))

    live("checks", *_CHECKS)
    live("drafts", "CAN_SWAP", "new_draft")
    live("channel", "Channel", "Context", "Payload")
    live("envelope", "Envelope", "LineWire")
    live("fields", "FieldInfo", "ENVELOPE_FIELDS", "EVENT_FIELDS", "RECORD_FIELDS")
    live("registry", "ENUMS", "EVENTS", "OPEN_ENUMS", "RECORDS", "RETIRED", "VERSION")
    live("strict", "read_line", "read_payload")
    live("codec", "decode_line", "decode_payload", "encode_line", "encode_payload")
    live("records_wire", "NonFinite", "spell")
    for enum in contract.enums:
        live("enums", enum.name)
        names = EnumWireView(enum)
        live("records_wire", names.table)
    for record in contract.records:
        live("records", record.name)
        wire = view_record_wire(record)
        live("records_wire", wire.struct, wire.writer, wire.reader)
    for family in contract.families:
        live(family.name, *family.sources)
        for event in family.events:
            live(family.name, event.payload, draft_name(event), helper_name(event))
            names_on_wire = EventWireView(event)
            live(
                f"{family.name}_wire",
                names_on_wire.struct,
                names_on_wire.writer,
                names_on_wire.reader,
            )
    return homes
