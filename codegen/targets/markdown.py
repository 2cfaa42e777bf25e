"""Target Markdown: the reference of the contract."""

from collections.abc import Iterator

from ..contract.model import Contract, Enum, Event, Family, Record
from ..contract.users import Users
from ..languages.markdown.cells import NamedUsers, explain
from ..languages.markdown.quoting import Markdown, code, join, span, text
from ..languages.markdown.tables import tabulate, tabulate_reserved, tabulate_values
from ..languages.printable import environment
from ..languages.python.modules import helper_name
from .target import Chunk, Output, Target

_PATH = "telemetry.md"
_TEMPLATES = environment("markdown", Markdown)


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the reference."""
    yield Output(_PATH, tuple(_chunks(contract, package)))


TARGET = Target(
    name="markdown",
    root="docs",
    outputs=lambda contract: [_PATH],
    render=render,
)


def _chunks(contract: Contract, package: str) -> Iterator[Chunk]:
    users = NamedUsers(contract.users, package)
    yield _chunk(
        "",
        "head.md.j2",
        version=text(contract.version),
        has_users=contract.users != Users(),
        package=span(package),
        top=span(package.partition(".")[0]),
        doc=text(contract.envelope.doc),
        table=tabulate_values(contract.envelope.fields),
        context=tabulate_values(contract.context),
    )
    for family in contract.families:
        yield _chunk(family.name, "family.md.j2", name=text(family.name), doc=text(family.doc))
        for event in family.events:
            yield _event(event, family, contract, package, users)
    yield _chunk("records", "records.md.j2", module=span(f"{package}.records"))
    for record in contract.records:
        yield _record(record, users)
    yield _chunk("enums", "enums.md.j2", module=span(f"{package}.enums"))
    for enum in contract.enums:
        yield _enum(enum)
    if contract.retired:
        yield _chunk("retired", "retired.md.j2", table=tabulate_reserved(contract.retired))


def _chunk(key: str, template: str, **values: object) -> Chunk:
    body = _TEMPLATES.get_template(template).render(**values).strip("\n")
    return Chunk(key, f"\n{body}\n")


def _event(
    event: Event, family: Family, contract: Contract, package: str, users: NamedUsers
) -> Chunk:
    return _chunk(
        event.name,
        "part.md.j2",
        name=text(event.name),
        doc=text(event.doc),
        facts=[
            *_event_facts(event, f"{package}.{family.name}", contract, users),
            *_group_facts(event, contract),
        ],
        table=tabulate_values(event.fields, users.readers(event)),
        reserved=tabulate_reserved(event.reserved),
    )


def _record(record: Record, users: NamedUsers) -> Chunk:
    facts = [] if record.stability == "stable" else [_fact("Stability", text(record.stability))]
    return _chunk(
        record.name,
        "part.md.j2",
        name=text(record.name),
        doc=text(record.doc),
        facts=facts,
        table=tabulate_values(record.fields, users.readers(record)),
        reserved=tabulate_reserved(record.reserved),
    )


def _enum(enum: Enum) -> Chunk:
    rows = [
        {
            "number": text(str(member.value)),
            "name": span(member.name),
            "meaning": explain(member.doc, member.deprecated),
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
        facts=(
            [text("Open: readers accept members that a later minor version adds.")]
            if enum.open
            else []
        ),
        table=tabulate(rows),
        reserved=tabulate([]),
    )


def _event_facts(
    event: Event, module: str, contract: Contract, users: NamedUsers
) -> Iterator[Markdown]:
    given = ["channel", *(["source"] if event.source else [])]
    given += ["*", *(one.name for one in event.arguments)] if event.arguments else []
    helper = span(f"{helper_name(event)}({', '.join(given)})")
    if event.source:
        helper = code("$helper, from a $source", helper=helper, source=span(event.source))
    if event.retired is None:
        yield _fact("Helper", helper)
        if contract.users != Users():
            yield _fact("Emitted by", users.emitters(event) or text("no known module"))
    yield _fact("Payload", code("$name in $module", name=span(event.payload), module=span(module)))
    facts = {
        "How often": event.cadence,
        "Level": event.level if event.level != "info" else None,
        "Since": event.since,
        "Renamed from": event.renamed_from,
        "Deprecated": event.deprecated,
        "Not emitted since": event.retired,
        "Stability": event.stability if event.stability != "stable" else None,
        "Changed meaning": event.note,
        "Owner": event.owner if len({one.owner for one in contract.events}) > 1 else None,
    }
    for name, fact in facts.items():
        if fact:
            yield _fact(name, text(fact))


def _group_facts(event: Event, contract: Contract) -> Iterator[Markdown]:
    for group in contract.groups:
        names = [span(one.name) for one in event.fields if one.group == group.name]
        if names:
            yield code("$names: $doc", names=join(", ", names), doc=text(group.doc))


def _fact(name: str, fact: Markdown) -> Markdown:
    return code("$name: $fact", name=text(name), fact=fact)
