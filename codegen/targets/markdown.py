"""Target Markdown: the reference of the contract, for people."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from codegen.model import (
    Contract,
    Enum,
    EnumType,
    Event,
    Family,
    Field,
    FromCaller,
    FromContext,
    FromSource,
    Record,
    RecordType,
    Reserved,
    Value,
)
from codegen.nodes import Bounds
from codegen.output import Chunk, Output, Target
from codegen.printable import environment
from codegen.pycode.modules import helper_name
from codegen.quoting.markdown import Markdown, code, join, link, span, text
from codegen.quoting.wording import name_unit

_PATH = "telemetry.md"
_TEMPLATES = environment("markdown", Markdown)
_NOTHING = Markdown("")


@dataclass(frozen=True, slots=True)
class Table:
    """A table, without the columns in which nothing is said."""

    headings: list[Markdown]
    rows: list[list[Markdown]]


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the reference."""
    yield Output(_PATH, tuple(_chunks(contract, package)))


TARGET = Target(
    name="markdown",
    root="docs",
    outputs=lambda contract: [_PATH],
    render=render,
    sources=("quoting",),
)


def _chunks(contract: Contract, package: str) -> Iterator[Chunk]:
    yield _chunk(
        "",
        "head.md.j2",
        version=text(contract.version),
        package=span(package),
        doc=text(contract.envelope.doc),
        table=_tabulate_values(contract.envelope.fields),
        context=_tabulate_values(contract.context),
    )
    for family in contract.families:
        yield _chunk(family.name, "family.md.j2", name=text(family.name), doc=text(family.doc))
        for event in family.events:
            yield _event(event, family, contract, package)
    yield _chunk("records", "records.md.j2", module=span(f"{package}.records"))
    for record in contract.records:
        yield _record(record)
    yield _chunk("enums", "enums.md.j2", module=span(f"{package}.enums"))
    for enum in contract.enums:
        yield _enum(enum)
    if contract.retired:
        yield _chunk("retired", "retired.md.j2", table=_tabulate_reserved(contract.retired))


def _chunk(key: str, template: str, **values: object) -> Chunk:
    body = _TEMPLATES.get_template(template).render(**values).strip("\n")
    return Chunk(key, f"\n{body}\n")


def _event(event: Event, family: Family, contract: Contract, package: str) -> Chunk:
    return _chunk(
        event.name,
        "part.md.j2",
        name=text(event.name),
        doc=text(event.doc),
        facts=[
            *_event_facts(event, f"{package}.{family.name}", contract),
            *_group_facts(event, contract),
        ],
        table=_tabulate_values(event.fields),
        reserved=_tabulate_reserved(event.reserved),
    )


def _record(record: Record) -> Chunk:
    facts = [] if record.stability == "stable" else [_fact("Stability", text(record.stability))]
    return _chunk(
        record.name,
        "part.md.j2",
        name=text(record.name),
        doc=text(record.doc),
        facts=facts,
        table=_tabulate_values(record.fields),
        reserved=_tabulate_reserved(record.reserved),
    )


def _enum(enum: Enum) -> Chunk:
    rows = [
        {
            "number": text(str(member.value)),
            "name": span(member.name),
            "meaning": _explain(member.doc, member.deprecated),
        }
        for member in enum.members
    ]
    rows += [
        {
            "number": text(str(member.value)),
            "name": code("~~$name~~", name=span(member.name)),
            "meaning": text(member.doc),
        }
        for member in enum.reserved
    ]
    return _chunk(
        enum.name,
        "part.md.j2",
        name=text(enum.name),
        doc=text(enum.doc),
        facts=[text("Readers accept names that they do not know.")] if enum.open else [],
        table=_tabulate(rows),
        reserved=_tabulate([]),
    )


def _event_facts(event: Event, module: str, contract: Contract) -> Iterator[Markdown]:
    given = ["channel", *(["source"] if event.source else [])]
    given += ["*", *(one.name for one in event.arguments)] if event.arguments else []
    helper = span(f"{helper_name(event)}({', '.join(given)})")
    if event.source:
        helper = code("$helper, from a $source", helper=helper, source=span(event.source))
    if event.retired is None:
        yield _fact("Emitted by", helper)
    yield _fact("Payload", code("$name in $module", name=span(event.payload), module=span(module)))
    said = {
        "How often": event.cadence,
        "Since": event.since,
        "Renamed from": event.renamed_from,
        "Deprecated": event.deprecated,
        "Not told since": event.retired,
        "Stability": event.stability if event.stability != "stable" else None,
        "Changed meaning": event.note,
        "Owner": event.owner if len({one.owner for one in contract.events}) > 1 else None,
    }
    for name, told in said.items():
        if told:
            yield _fact(name, text(told))


def _group_facts(event: Event, contract: Contract) -> Iterator[Markdown]:
    for group in contract.groups:
        names = [span(one.name) for one in event.fields if one.group == group.name]
        if names:
            yield code("$names: $doc", names=join(", ", names), doc=text(group.doc))


def _fact(name: str, told: Markdown) -> Markdown:
    return code("$name: $told", name=text(name), told=told)


def _tabulate(rows: Iterable[dict[str, Markdown]]) -> Table:
    listed = list(rows)
    columns = [key for key in (listed[0] if listed else ()) if any(row[key] for row in listed)]
    return Table([text(one) for one in columns], [[row[one] for one in columns] for row in listed])


def _tabulate_values(values: Iterable[Value]) -> Table:
    return _tabulate(
        {
            "field": span(value.name),
            "key": _name_keys(value),
            "type": _name_type(value),
            "unit": text(name_unit(value)),
            "range": _name_limits(value),
            "default": _name_defaults(value),
            "from": _name_capture(value) if isinstance(value, Field) else _NOTHING,
            "since": text(value.since or ""),
            "meaning": _explain(value.doc, value.deprecated),
        }
        for value in values
    )


def _tabulate_reserved(names: Iterable[Reserved]) -> Table:
    return _tabulate(
        {
            "retired": span(one.name),
            "until": text(one.last or ""),
            "meaning": text(one.doc),
        }
        for one in names
    )


def _explain(doc: str, deprecated: str | None) -> Markdown:
    if deprecated is None:
        return text(doc)
    return code("**Deprecated:** $why $doc", why=text(deprecated), doc=text(doc))


def _name_keys(value: Value) -> Markdown:
    keys = [] if value.wire == value.name else [span(value.wire)]
    if value.aliases:
        keys.append(code("once $old", old=join(", ", [span(one) for one in value.aliases])))
    return join(", ", keys)


def _name_type(value: Value) -> Markdown:
    inner = value.innermost
    is_ours = isinstance(inner, EnumType | RecordType)
    named = link(str(value.type), str(inner).lower()) if is_ours else span(str(value.type))
    return code("$type or null", type=named) if value.nullable else named


def _name_limits(value: Value) -> Markdown:
    limits = []
    if value.range:
        limits.append(_name_bounds(value.range, ""))
    if value.length:
        is_text = str(value.type) == "str"
        limits.append(_name_bounds(value.length, " characters" if is_text else " items"))
    if value.pattern:
        limits.append(span(value.pattern))
    if value.nonfinite != "error":
        limits.append(
            text("or NaN, ±Infinity" if value.nonfinite == "string" else "NaN becomes null")
        )
    return join("; ", [one for one in limits if one])


def _name_bounds(bounds: Bounds, what: str) -> Markdown:
    low, high = bounds.low, bounds.high
    if low is not None and high is not None:
        return text(f"{low} to {high}{what}" if low != high else f"{low}{what}")
    if low is not None:
        return text(f"{low} or more{what}" if what else f"from {low}")
    return text(f"up to {high}{what}") if high is not None else _NOTHING


def _name_defaults(value: Value) -> Markdown:
    said = []
    if value.default is not None:
        said.append(_name_plain(value.default.value))
    if value.missing is not None:
        said.append(code("$value when missing", value=_name_plain(value.missing.value)))
    return join("; ", said)


def _name_plain(plain: object) -> Markdown:
    """Print a value as JSON would have it."""
    return span(json.dumps(plain, ensure_ascii=False))


def _name_capture(value: Field) -> Markdown:
    match value.capture:
        case FromCaller():
            said = [text("argument")]
        case FromContext():
            said = [text("context")]
        case FromSource(attribute, guard):
            said = [span(f"source.{attribute}")]
            if guard:
                said.append(code("while $guard", guard=span(f"source.{guard}")))
    said += [text(one) for one in (value.phase, value.reduce) if one]
    return join(", ", said)
