"""Rules about change: upcasts, revisions of events, and exemptions."""

from collections.abc import Iterator
from datetime import date

from ..contract.model import Contract
from ..contract.promises import Step
from ..contract.spec import ContractSpec
from ..contract.versions import parse_version
from ..contract.wire_paths import objects_of
from ..diagnostics.similar import suggest
from .rule import Breach


def check_steps(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that a step of an upcast does one thing."""
    for step in _steps(contract):
        given = {"move": step.move, "fill": step.fill, "convert": step.convert}
        kinds = [name for name, value in given.items() if value is not None]
        if not kinds:
            yield Breach(step.span, "a step needs one of move, fill and convert")
        if len(kinds) > 1:
            message = f"a step is one of move, fill and convert, got {' and '.join(kinds)}"
            yield Breach(step.span, message)
        options = {
            "factor": step.factor,
            "offset": step.offset,
            "clamp": step.clamp,
            "values": step.values,
        }
        changes = [name for name, value in options.items() if value is not None]
        changes += ["round"] if step.round else []
        if step.convert is not None and not changes:
            hint = "add factor, offset, round, clamp or values"
            yield Breach(step.span, "convert must say how", hint)
        if step.convert is None and changes:
            verb = "belongs" if len(changes) == 1 else "belong"
            yield Breach(step.span, f"{' and '.join(changes)} {verb} to convert")
        if step.otherwise is not None and step.values is None:
            yield Breach(
                step.span, "otherwise belongs to values", "add values: with the known texts"
            )
        clamp = step.clamp
        if clamp and clamp.low is not None and clamp.high is not None and clamp.low > clamp.high:
            message = f"clamp must not end before it begins, got [{clamp.low}, {clamp.high}]"
            yield Breach(step.at("clamp"), message)
        if step.values is not None and not isinstance(step.values.value, dict):
            yield Breach(step.span, "values must be a mapping of old texts to new values")


def check_paths(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that a step stays within one item of a list or map: it could not know which other item is meant."""
    for step in _steps(contract):
        old = step.move or step.convert
        if old is not None and objects_of(old) != objects_of(step.path):
            message = f"{old} and {step.path} must lie in the same lists and maps"
            yield Breach(step.span, message, "write both as they are in the new record")


def check_upcasts(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that upcasts lead to existing versions, and to events that a reader knows."""
    current = parse_version(contract.version)
    known = {one.name for one in (*contract.events, *contract.retired)}
    for upcast in reversed(contract.upcasts):
        if parse_version(upcast.version) > current:
            yield Breach(upcast.span, f"{upcast.version} is after version {contract.version}")
        for event in upcast.events:
            if event.becomes is not None and event.becomes not in known:
                message = f"{event.event} becomes {event.becomes}, which is not an event"
                yield Breach(event.span, message, "name an event of the contract")
            if event.becomes is None and event.event not in known:
                message = f"{event.event} is not an event, and does not become one"
                hint = suggest(event.event, known) or "say becomes:, or put it under retired"
                yield Breach(event.span, message, hint)
        # Earlier upcasts may lead to the events of this one.
        known |= {event.event for event in upcast.events}


def check_revisions(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that an event with a raised revision has a note on it."""
    for event in contract.events:
        if event.revision < 1:
            yield Breach(event.at("revision"), f"revisions count from 1, got {event.revision}")
        if event.revision > 1 and event.note is None:
            message = f"revision {event.revision} of {event.name} does not say what it changed"
            yield Breach(event.at("revision"), message, "add note:")


def check_exemptions(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that the last day of an exemption exists."""
    for exemption in contract.exemptions:
        try:
            date.fromisoformat(exemption.until)
        except ValueError:
            yield Breach(
                exemption.span, f"until must be a day of the calendar, got {exemption.until}"
            )


def _steps(contract: Contract) -> Iterator[Step]:
    for upcast in contract.upcasts:
        for event in upcast.events:
            yield from event.steps
