"""Rules about the steps of upcasts: the values that they make must fit the fields that they make them for."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..contract.model import Contract, EnumType, Event, Primitive, RecordType, Value
from ..contract.nodes import OPEN
from ..contract.promises import Step
from ..contract.spec import ContractSpec
from ..contract.wire_paths import brackets, have_common, join_path
from ..diagnostics.similar import suggest
from .defaults import find_misfit
from .rule import Breach

_NUMBERS = (Primitive("int"), Primitive("float"))


def check_targets(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that a step leads to a field of the event, unless a later upcast takes the value from there."""
    for event, step in _last_steps(contract):
        known = dict(_places(event))
        flat = [one for one in event.fields if one.wire == step.path and "." in one.wire]
        if flat:
            message = f'the key "{step.path}" of {flat[0].name} cannot be a path, in which dots separate keys'
            yield Breach(step.span, message, "say missing: or aliases: for it instead")
        elif step.path not in known and not _is_gone(event, step.path):
            hint = suggest(step.path, known) or "name a key of the event, as it is on the wire"
            yield Breach(step.span, f"{event.name} does not have {step.path}", hint)


def check_values(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that the values which a step makes are allowed in its field."""
    for event, step in _last_steps(contract):
        value = dict(_places(event)).get(step.path)
        if value is not None:
            yield from _check_step(step, value)


def _check_step(step: Step, value: Value) -> Iterator[Breach]:
    if step.fill is not None:
        misfit = find_misfit(value, step.fill.value)
        if misfit and not isinstance(value.innermost, RecordType):
            yield Breach(step.at("fill"), f"fill of {step.path} {misfit}")
    if step.convert is not None:
        yield from _check_numbers(step, value)
        yield from _check_texts(step, value)


def _check_numbers(step: Step, value: Value) -> Iterator[Breach]:
    is_scaled = step.factor is not None or step.offset is not None
    is_numeric = is_scaled or step.clamp is not None or step.round
    # Texts that are replaced by numbers may be converted, too.
    if is_numeric and value.innermost not in _NUMBERS:
        message = f"{step.path} is of type {value.type}, which cannot be calculated"
        yield Breach(step.span, message, "use values:")
        return
    is_int = value.innermost == Primitive("int")
    if is_int and is_scaled and not step.round:
        yield Breach(
            step.span, f"{step.path} is an int, and the step makes a float", "add round: true"
        )
    clamp, limits = step.clamp or OPEN, value.range or OPEN
    if clamp.low is not None and limits.low is not None and clamp.low < limits.low:
        message = f"clamp of {step.path} must begin at {limits.low} or above, got {clamp.low}"
        yield Breach(step.at("clamp"), message)
    if clamp.high is not None and limits.high is not None and clamp.high > limits.high:
        message = f"clamp of {step.path} must end at {limits.high} or below, got {clamp.high}"
        yield Breach(step.at("clamp"), message)
    if is_int and not step.round and any(isinstance(one, float) for one in (clamp.low, clamp.high)):
        yield Breach(
            step.at("clamp"), f"{step.path} is an int, so clamp must be integers", "add round: true"
        )


def _check_texts(step: Step, value: Value) -> Iterator[Breach]:
    names = step.values.value if step.values is not None else None
    if not isinstance(names, Mapping) or isinstance(value.innermost, RecordType):
        return
    # In a list or map, each text is replaced by itself.
    item = replace(
        value, type=value.innermost, length=value.length if value.type == value.innermost else None
    )
    made = [("values", plain) for plain in names.values()]
    made += [("otherwise", step.otherwise)] if step.otherwise is not None else []
    for key, plain in made:
        is_open = isinstance(item.type, EnumType) and item.type.enum.open and isinstance(plain, str)
        misfit = None if is_open else find_misfit(item, plain)
        if misfit:
            yield Breach(step.at(key), f"{step.path} {misfit}")


def _last_steps(contract: Contract) -> Iterator[tuple[Event, Step]]:
    """Yield the steps whose values no later upcast touches, with the events that the records become."""
    events = {event.name: event for event in contract.events}
    for index, upcast in enumerate(contract.upcasts):
        for one in upcast.events:
            name, touched = one.becomes or one.event, set[str]()
            for later in contract.upcasts[index + 1 :]:
                for other in later.events:
                    if other.event == name:
                        touched |= {path for step in other.steps for path in _paths_of(step)}
                        name = other.becomes or name
                        break
            for step in one.steps if name in events else ():
                if not any(have_common(step.path, path) for path in touched):
                    yield events[name], step


def _paths_of(step: Step) -> set[str]:
    return {path for path in (step.path, step.move, step.convert) if path is not None}


def _places(event: Event) -> Iterator[tuple[str, Value]]:
    """Yield all values of an event by path, also the records and the values in them."""
    yield from _walk(event.fields, "")


def _walk(fields: tuple[Value, ...], prefix: str) -> Iterator[tuple[str, Value]]:
    for value in fields:
        for key in (value.wire, *value.aliases):
            path = join_path(prefix, key)
            yield path, value
            if isinstance(value.innermost, RecordType):
                yield from _walk(value.innermost.record.fields, path + brackets(value.type))


def _is_gone(event: Event, path: str) -> bool:
    """Return whether a path leads to a reserved key, which readers remove."""
    reserved = {one.wire for one in event.reserved}
    for value in event.fields:
        if isinstance(value.innermost, RecordType):
            reserved |= {one.wire for one in value.innermost.record.reserved}
    return path.rpartition(".")[2] in reserved or path in reserved
