"""Target Python: enums, records, payloads, protocols, emission helpers, codec and registry."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ..contract.model import Contract, Event, Family, Record, Value
from ..contract.versions import parse_version
from ..languages.printable import environment
from ..languages.python.codec import (
    EnumWireView,
    WireNames,
    num_required_keys,
    view_event_wire,
    view_record_wire,
    view_wire_field,
)
from ..languages.python.declarations import (
    EnumView,
    EnvelopeView,
    EventView,
    RecordView,
    SourceView,
    field_info,
    view_record,
)
from ..languages.python.imports import import_block, import_order
from ..languages.python.modules import STATIC, WIRE_TABLE, fields_name, find_homes
from ..languages.python.quoting import Python, code, doc, ident, join, lit
from ..languages.python.syntax import read_syntax
from ..languages.python.upcasting import UpcastView, view_reserved
from .target import Chunk, Output, Target

Chunks = Callable[[], Iterable[Chunk]]

_TEMPLATES = environment("python", Python)
_EXPORTED = (
    "channel",
    "codec",
    "enums",
    "envelope",
    "fields",
    "records",
    "registry",
    "unknown",
)
_DOCS = {
    "checks": "Checks values against the contract.",
    "drafts": "Builds frozen dataclasses faster than their constructors do.",
    "lazy": "Imports the modules of families when one of their events is first used.",
    "enums": "The enums of the contract; a log line holds the names of their members.",
    "channel": "The channel, to which emission helpers send payloads, and its context.",
    "records": "The records of the contract.",
    "envelope": "The envelope: the fields of a log line besides its payload.",
    "envelope_wire": "The JSON of a log line, with its payload still undecoded.",
    "records_wire": "The JSON of enums and records.",
    "fields": "The contract's declarations of all fields.",
    "registry": "The version of the contract, and its events, records and enums by name.",
    "rewriting": "Moves, fills and converts values in plain JSON.",
    "upcasters": "Converts payloads of older versions to the form of this version.",
    "unknown": "Names and events of later versions, which this version keeps aside.",
    "strict": "Decodes log lines field by field: reads older versions, and names the field that is wrong.",
    "codec": "Encodes events as lines of JSON, and decodes them.",
}


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render every Python module of the package."""
    homes = find_homes(contract, package)
    for name, text, chunks in _modules(contract):
        path = f"{name}.py"
        yield _render_module(path, text, chunks, homes)
    yield _render_package(contract, package, homes)


def outputs(contract: Contract) -> Iterator[str]:
    """Yield the paths of the modules of the package."""
    yield "__init__.py"
    for name in STATIC:
        yield f"{name}.py"
    for family in contract.families:
        yield f"{family.name}.py"
        yield f"{family.name}_wire.py"


TARGET = Target(name="python", root="package", outputs=outputs, render=render)


def _modules(contract: Contract) -> Iterator[tuple[str, str, Chunks]]:
    """Yield the modules: name, docstring, and a function that renders the chunks."""
    makers: dict[str, Callable[[Contract], Iterable[Chunk]]] = {
        "enums": _enums,
        "channel": _channel,
        "records": _records,
        "envelope": _envelope,
        "envelope_wire": _envelope_wire,
        "records_wire": _records_wire,
        "fields": _fields,
        "registry": _registry,
        "upcasters": _upcasters,
        "codec": _codec,
    }
    for name in (one for one in _DOCS if one not in makers):
        yield name, _DOCS[name], partial(_static, name)
    for family in contract.families:
        text = f"The JSON of events. {family.doc}"
        yield family.name, family.doc, partial(_family, family)
        yield f"{family.name}_wire", text, partial(_family_wire, family)
    for name, make in makers.items():
        yield name, _DOCS[name], partial(make, contract)


def _render_module(path: str, text: str, chunks: Chunks, homes: dict[str, str]) -> Output:
    output = Output(path, (_head(text, Python("")), *chunks()))
    body = read_syntax(output.body)
    head = _head(text, import_block(body.loaded - body.bound, homes))
    return Output(path, (head, *output.chunks[1:]))


def _static(name: str) -> Iterator[Chunk]:
    yield _chunk(name, f"{name}.py.j2")


def _enums(contract: Contract) -> Iterator[Chunk]:
    for enum in contract.enums:
        yield _chunk(enum.name, "enum.py.j2", enum=EnumView(enum))


def _records(contract: Contract) -> Iterator[Chunk]:
    for record in contract.records:
        yield _chunk(record.name, "record.py.j2", record=view_record(record))


def _family_wire(family: Family) -> Iterator[Chunk]:
    for event in family.events:
        yield _chunk(event.name, "wire.py.j2", wire=view_event_wire(event))
    events = [WireNames(event) for event in family.events]
    yield _chunk(WIRE_TABLE, "wire_table.py.j2", events=events)


def _channel(contract: Contract) -> Iterator[Chunk]:
    text = "The values that are bound to a channel, and that helpers stamp on events."
    yield _chunk("Context", "record.py.j2", record=RecordView("Context", text, contract.context))
    yield from _static("channel")


def _family(family: Family) -> Iterator[Chunk]:
    for name, events in family.sources.items():
        yield _chunk(name, "source.py.j2", source=SourceView(name, events))
    for event in family.events:
        yield _chunk(event.name, "event.py.j2", event=EventView(event))


def _envelope(contract: Contract) -> Iterator[Chunk]:
    envelope = EnvelopeView(contract.envelope)
    yield _chunk("Envelope", "record.py.j2", record=envelope)
    yield _chunk("make_envelope", "make_envelope.py.j2", envelope=envelope)


def _envelope_wire(contract: Contract) -> Iterator[Chunk]:
    fields = [view_wire_field(one, "envelope") for one in contract.envelope.fields]
    yield _chunk("LineWire", "line_wire.py.j2", fields=fields)


def _records_wire(contract: Contract) -> Iterator[Chunk]:
    yield _chunk("NonFinite", "nonfinite.py.j2")
    for enum in contract.enums:
        yield _chunk(enum.name, "enum_wire.py.j2", enum=EnumWireView(enum))
    for record in contract.records:
        yield _chunk(record.name, "wire.py.j2", wire=view_record_wire(record))


def _fields(contract: Contract) -> Iterator[Chunk]:
    yield _chunk("FieldInfo", "field_info.py.j2")
    yield _field_table("Envelope", ident("ENVELOPE"), contract.envelope.fields)
    for record in contract.records:
        yield _field_table(record.name, ident(fields_name(record)), record.fields)
    for event in contract.events:
        yield _field_table(event.name, ident(fields_name(event)), event.fields)

    def entries(owners: Iterable[Record | Event]) -> list[tuple[Python, Python]]:
        return [(lit(owner.name), ident(fields_name(owner))) for owner in owners]

    events, records = entries(contract.events), entries(contract.records)
    yield _chunk("tables", "field_tables.py.j2", events=events, records=records)


def _field_table(key: str, constant: Python, fields: Iterable[Value]) -> Chunk:
    infos = [field_info(one) for one in fields]
    return _chunk(key, "fields.py.j2", constant=constant, fields=infos)


def _registry(contract: Contract) -> Iterator[Chunk]:
    yield _chunk(
        "registry",
        "registry.py.j2",
        version=lit(contract.version),
        events=_find_modules(contract, "{family}"),
        levels=[(lit(event.name), lit(event.level)) for event in contract.events],
        records=[WireNames(record) for record in contract.records],
        enums=[{"literal": lit(one.name), "name": ident(one.name)} for one in contract.enums],
        open_enums=lit([one.name for one in contract.enums if one.open]),
        retired=[(lit(name), lit(text)) for name, text in _retired(contract)],
        deprecated=[(lit(name), lit(why)) for name, why in _deprecated(contract)],
    )


def _retired(contract: Contract) -> Iterator[tuple[str, str]]:
    for event in contract.retired:
        yield event.name, event.doc
    for enum in contract.enums:
        for member in enum.reserved:
            yield f"{enum.name}.{member.name}", member.doc
    for owner in contract.owners:
        for one in owner.reserved:
            yield f"{owner.name}.{one.name}", one.doc


def _deprecated(contract: Contract) -> Iterator[tuple[str, str]]:
    for enum in contract.enums:
        for member in enum.members:
            if member.deprecated:
                yield f"{enum.name}.{member.name}", member.deprecated
    for event in contract.events:
        if event.deprecated:
            yield event.name, event.deprecated
    for owner in contract.owners:
        for field in owner.fields:
            if field.deprecated:
                yield f"{owner.name}.{field.name}", field.deprecated


def _upcasters(contract: Contract) -> Iterator[Chunk]:
    upcasts = [UpcastView(upcast) for upcast in contract.upcasts]
    reserved = list(view_reserved(contract))
    for function in (*(one for upcast in upcasts for one in upcast.events), *reserved):
        yield _chunk(str(function.name), "upcaster.py.j2", function=function)
    now = lit(tuple(parse_version(contract.version)))
    yield _chunk("upcasters", "upcasters.py.j2", now=now, upcasts=upcasts, reserved=reserved)


def _codec(contract: Contract) -> Iterator[Chunk]:
    fields = [view_wire_field(one, "envelope") for one in contract.envelope.fields]
    yield _chunk(
        "codec",
        "codec.py.j2",
        events=_find_modules(contract, "{family}_wire"),
        writing=join(", ", [code("{name}={v}", name=one.name, v=one.write) for one in fields]),
        # The payload is the key after those of the envelope.
        num_line_keys=lit(num_required_keys(contract.envelope.fields) + 1),
    )


def _render_package(contract: Contract, package: str, homes: dict[str, str]) -> Output:
    """Render the `__init__` module, which exports the names that users of the contract need."""
    families = [family.name for family in contract.families]
    exported = {f"{package}.{name}" for name in (*_EXPORTED, *families)}
    names = {
        name: home for name, home in homes.items() if home in exported or name == "ContractError"
    }
    order = sorted(names, key=import_order)
    text = f"Telemetry contract {contract.version}: its events, records and enums, imported on first use."
    imports = import_block({"TYPE_CHECKING", "import_name"}, homes)
    chunk = _chunk(
        "__all__",
        "package.py.j2",
        imports=[Python(line) for line in import_block(set(names), names).splitlines()],
        listing=join(", ", [lit(name) for name in order]),
        homes=[(lit(name), lit(names[name].removeprefix(f"{package}."))) for name in order],
    )
    return Output("__init__.py", (_head(text, imports), chunk))


def _find_modules(contract: Contract, form: str) -> list[tuple[WireNames, Python]]:
    """Return the names of every event, and the module of its family, as a literal."""
    return [
        (WireNames(event), lit(form.format(family=family.name)))
        for family in contract.families
        for event in family.events
    ]


def _chunk(key: str, template: str, **values: object) -> Chunk:
    return Chunk(key, _TEMPLATES.get_template(template).render(**values).strip("\n"))


def _head(text: str, imports: Python) -> Chunk:
    return Chunk("", join("\n\n", [doc(text), *([imports] if imports else [])]))
