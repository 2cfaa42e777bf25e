"""Rules about names: they are free in Python and in the generated code, unique, and not easily confused."""

import keyword
from collections.abc import Iterable, Iterator

from ..contract.model import Contract, FromSource, Value
from ..contract.spec import ContractSpec
from ..diagnostics.findings import Span
from ..languages.python.modules import (
    BUILTINS,
    STANDARD,
    STATIC,
    TAKEN_WORDS,
    WIRE_TABLE,
    names_of,
)
from ..targets import channel, typescript
from .rule import Breach

_KEYWORDS = frozenset([*keyword.kwlist, *keyword.softkwlist])
# Only names that would break the generated code are taken: it does not use other builtins, such as id and hash.
_OF_PYTHON = _KEYWORDS | BUILTINS
_OF_PACKAGE = frozenset(
    [
        *STANDARD,
        WIRE_TABLE,
        *(name for names in STATIC.values() for name in names),
        *typescript.NAMES,
        *channel.NAMES,
    ]
)


def check_words(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that field names, which become variables in the generated code, have no other meaning there."""
    for value in contract.values:
        if value.name in _OF_PYTHON | TAKEN_WORDS:
            whose = "Python" if value.name in _OF_PYTHON else "the generated code"
            message = f'"{value.name}" already means something in {whose}'
            hint = f"rename it, and keep the key with wire: {value.name}"
            yield Breach(value.span, message, hint)
    for event in contract.events:
        for one in event.fields:
            if isinstance(one.capture, FromSource) and one.capture.attribute in _KEYWORDS:
                message = f'"{one.capture.attribute}" is a keyword of Python, so it cannot be an attribute'
                yield Breach(one.at("from"), message, "offer it under another name")
    for group in contract.groups:
        if group.when in _KEYWORDS:
            yield Breach(
                group.span, f'"{group.when}" is a keyword of Python, so it cannot be an attribute'
            )


def check_classes(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that no two definitions of the generated package have the same name."""
    seen: dict[str, Span] = {}
    # A record or event defines several names, and one finding is enough.
    reported: set[Span] = set()
    for defined in names_of(contract):
        if defined.span in reported:
            continue
        if defined.name in _OF_PYTHON | _OF_PACKAGE:
            whose = "Python" if defined.name in _OF_PYTHON else "the generated code"
            message = f'"{defined.name}" already means something in {whose}'
            yield Breach(defined.span, message, "rename it")
            reported.add(defined.span)
        elif defined.name in seen:
            message = (
                f'"{defined.name}" would be defined twice, first on line {seen[defined.name].line}'
            )
            yield Breach(defined.span, message, "rename one of them")
            reported.add(defined.span)
        seen.setdefault(defined.name, defined.span)
    for source, families in _families_of_sources(contract).items():
        if len(families) > 1:
            message = f'source "{source}" is used in the families {", ".join(families)}'
            yield Breach(contract.span, message, "a source belongs to one family; name them apart")


def check_families(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that a family, which becomes a module, has no name of a module that every package has."""
    for family in contract.families:
        is_taken = family.name in (*STATIC, channel.MODULE) or family.name in _KEYWORDS
        if is_taken or family.name.endswith("_wire"):
            message = f'the family "{family.name}" cannot be a module of that name'
            yield Breach(family.span, message, "rename it")


def check_repeated_fields(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that an event has each field once: its own, carried ones, and those of groups and context."""
    for event in contract.events:
        seen: set[str] = set()
        for one in event.fields:
            if one.name in seen:
                message = f'{event.name} has the field "{one.name}" twice'
                yield Breach(event.span, message, "leave one out, or rename it")
            seen.add(one.name)


def check_similar(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that no two names differ only in case or underscores."""
    yield from _find_similar((one.name, one.span) for one in contract.enums)
    yield from _find_similar((one.name, one.span) for one in contract.records)
    yield from _find_similar((one.name, one.span) for one in contract.events)
    yield from _find_similar((one.name, one.span) for one in contract.families)
    for enum in contract.enums:
        yield from _find_similar((one.name, one.span) for one in (*enum.members, *enum.reserved))
    yield from _find_similar((one.name, one.span) for one in contract.envelope.fields)
    for owner in contract.owners:
        yield from _find_similar((one.name, one.span) for one in owner.fields)


def check_wire_names(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that a key on the wire belongs to one field, and is there once."""
    yield from _find_repeated_keys(spec)
    yield from _find_shared_keys(contract.envelope.fields, ("payload",))
    for owner in contract.owners:
        yield from _find_shared_keys(owner.fields, ())


def _find_repeated_keys(spec: ContractSpec) -> Iterator[Breach]:
    """Find keys that every line has already, and that would replace them or be ignored."""
    seen = {"event", "v"}
    on_line = [one for one in spec.context if one.place == "envelope"]
    for value in (*spec.envelope.fields, *on_line):
        if value.name in seen:
            message = f'every line has the key "{value.name}" already'
            yield Breach(value.span, message, "remove this one, or rename it")
        seen.add(value.name)


def _find_shared_keys(fields: Iterable[Value], taken: Iterable[str]) -> Iterator[Breach]:
    owners = dict.fromkeys(taken, "the payload")
    for one in fields:
        for key in sorted({key for key in one.aliases if one.aliases.count(key) > 1}):
            message = f'{one.name} has the key "{key}" twice, so no line with it could be read'
            yield Breach(one.at("aliases"), message, "keep one")
        for key in (one.wire, *one.aliases):
            if owners.get(key, one.name) != one.name:
                yield Breach(one.at("wire"), f'the key "{key}" already belongs to {owners[key]}')
            owners.setdefault(key, one.name)


def _find_similar(names: Iterable[tuple[str, Span]]) -> Iterator[Breach]:
    seen: dict[str, str] = {}
    for name, span in names:
        core = name.lower().replace("_", "")
        if seen.get(core, name) != name:
            yield Breach(
                span, f'"{name}" is easily confused with "{seen[core]}"', "rename one of them"
            )
        seen.setdefault(core, name)


def _families_of_sources(contract: Contract) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for family in contract.families:
        for source in family.sources:
            families.setdefault(source, []).append(family.name)
    return families
