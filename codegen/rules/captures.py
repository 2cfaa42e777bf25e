"""Rules about captures: the place from which an emission helper takes the value of a field."""

from collections.abc import Iterator

from ..contract.model import Contract, Field, FromCaller, FromSource, Type
from ..contract.spec import ContractSpec
from .rule import Breach


def check_origin(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that a field comes either from the source or from the caller."""
    fields = [one for event in spec.events for one in event.fields]
    fields += [one for group in spec.groups for one in group.fields]
    for one in fields:
        if one.from_ is None and not one.arg:
            message = f'"{one.name}" does not say where it comes from'
            yield Breach(one.span, message, "add from: ATTRIBUTE, or arg: true")
        if one.from_ is not None and one.arg:
            message = f'"{one.name}" comes from the source and from the caller'
            yield Breach(one.span, message, "leave out from: or arg:")


def check_source(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that an event has a source exactly if a field is captured from it."""
    for event in contract.events:
        captured = [one.name for one in event.fields if isinstance(one.capture, FromSource)]
        if captured and event.source is None:
            message = f"{event.name} captures {captured[0]} but has no source"
            yield Breach(event.span, message, "add source: and the name of its protocol")
        if event.source is not None and not captured:
            message = f"{event.name} has a source but captures nothing from it"
            yield Breach(event.at("source"), message, "remove source:")


def check_groups(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that the fields of a group come from the source, and have defaults for when they are not captured."""
    for group in spec.groups:
        for one in group.fields:
            if one.arg:
                yield Breach(one.at("arg"), f'"{one.name}" of a group cannot come from the caller')
            if one.default is None:
                message = f'"{one.name}" has no default for when {group.when} is false'
                yield Breach(one.span, message, "add default:")


def check_attributes(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that all events agree on the type of an attribute of a source."""
    for family in contract.families:
        for source, events in family.sources.items():
            types: dict[str, tuple[Type | None, str]] = {}
            for event in events:
                for one in event.fields:
                    yield from _check_attribute(source, event.name, one, types)


def _check_attribute(
    source: str, event: str, one: Field, types: dict[str, tuple[Type | None, str]]
) -> Iterator[Breach]:
    if not isinstance(one.capture, FromSource):
        return
    asked: list[tuple[str, Type | None]] = [(one.capture.attribute, one.type)]
    if one.capture.guard:
        asked.append((one.capture.guard, None))
    for attribute, type_ in asked:
        known, first = types.setdefault(attribute, (type_, event))
        if known != type_:
            # A guard may have any type that has a truth value; a capture would restrict it to its own.
            uses = f"{known or 'a guard'} in {first} and {type_ or 'a guard'} in {event}"
            yield Breach(
                one.span, f"{source}.{attribute} is {uses}", "capture them from two attributes"
            )


def check_context(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that context values have defaults for when nothing is bound, and are written in one place."""
    in_payload = {one.name for one in contract.context if one.place == "payload"}
    for value in contract.context:
        if value.default is None:
            message = f'"{value.name}" has no default for when no value is bound'
            yield Breach(value.span, message, "add default:")
    on_envelope = {one.name for one in contract.context if one.place == "envelope"}
    for written in spec.events:
        for index, name in enumerate(written.context):
            if name in on_envelope:
                message = f'"{name}" is on the envelope of every event'
                yield Breach(written.at(f"context[{index}]"), message, "remove it here")
    for event in contract.events:
        for one in event.fields:
            if isinstance(one.capture, FromCaller) and one.name in in_payload:
                message = f'"{one.name}" is bound to the channel, not given by the caller'
                yield Breach(one.span, message, f"add context: [{one.name}]")
