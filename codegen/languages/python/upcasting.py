"""Upcasts: functions that convert the payloads of one version to the form of the next."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from ...contract.model import Contract, Event
from ...contract.promises import EventUpcast, Step, Upcast
from ...contract.versions import parse_version
from ...contract.wire_paths import walk_records
from .quoting import Python, code, doc, ident, join, lit


@dataclass(frozen=True, slots=True)
class FunctionView:
    """A function that changes the payload of an event, and the name of the event after that."""

    name: Python
    doc: Python
    lines: tuple[Python, ...]
    event: Python
    becomes: Python


class UpcastView:
    """The functions that convert payloads to the form of one version."""

    def __init__(self, upcast: Upcast) -> None:
        self.version = lit(tuple(parse_version(upcast.version)))
        self.events = [_view_function(upcast, event) for event in upcast.events]


def view_reserved(contract: Contract) -> Iterator[FunctionView]:
    """Prepare the functions that remove fields which the contract no longer has."""
    for event in contract.events:
        lines = tuple(_clean(event))
        if lines:
            name = ident(f"_clean_{event.name.lower()}")
            text = doc("Remove the fields that the contract no longer has.", indent=4)
            yield FunctionView(name, text, lines, lit(event.name), lit(event.name))


def _view_function(upcast: Upcast, event: EventUpcast) -> FunctionView:
    return FunctionView(
        name=ident(f"_{event.event.lower()}_to_{upcast.version.replace('.', '_')}"),
        doc=doc(upcast.doc, indent=4),
        lines=tuple(_rewrite(event.steps)),
        event=lit(event.event),
        becomes=lit(event.becomes or event.event),
    )


def _clean(event: Event) -> Iterator[Python]:
    """Write the statements that remove the reserved fields of an event and of the records in it."""
    owners = [("", event.reserved)]
    owners += [(path, record.reserved) for path, record in walk_records(event.fields)]
    for path, reserved in owners:
        if reserved:
            keys = join(", ", [lit(one.wire) for one in reserved])
            call = code("take({subject}, {keys})", subject=_subject(path), keys=keys)
            yield from _inside(path, [call])


def _rewrite(steps: Iterable[Step]) -> Iterator[Python]:
    """Write the statements of all steps: an object's old values are all taken before new ones are put."""
    split = [(_split(step.path), step) for step in steps]
    split.sort(key=lambda one: one[0][0])
    for prefix, group in groupby(split, key=lambda one: one[0][0]):
        found = [(path, step) for (_, path), step in group]
        yield from _inside(prefix, list(_rewrite_object(_subject(prefix), found)))


def _rewrite_object(subject: Python, steps: list[tuple[str, Step]]) -> Iterator[Python]:
    taken = [_split(old)[1] for _, step in steps if (old := step.move or step.convert)]
    if taken:
        paths = join(", ", [lit(path) for path in dict.fromkeys(taken)])
        yield code("old = take({subject}, {paths})", subject=subject, paths=paths)
    for path, step in steps:
        if step.fill is not None:
            value = lit(step.fill.value)
            yield code("fill({o}, {path}, {value})", o=subject, path=lit(path), value=value)
            continue
        old = lit(_split(step.move or step.convert or "")[1])
        yield code("if {old} in old:", old=old)
        value = _convert(step, code("old[{old}]", old=old))
        yield code("    put({o}, {path}, {value})", o=subject, path=lit(path), value=value)


def _convert(step: Step, value: Python) -> Python:
    if step.values is not None:
        parts = [value, lit(step.values.value)]
        parts += [] if step.otherwise is None else [lit(step.otherwise)]
        value = code("rename({parts})", parts=join(", ", parts))
    if step.factor is not None or step.offset is not None:
        factor = lit(1.0 if step.factor is None else step.factor)
        offset = lit(step.offset or 0.0)
        value = code("scale({value}, {f}, {o})", value=value, f=factor, o=offset)
    if step.clamp is not None:
        low = Python("-inf") if step.clamp.low is None else lit(step.clamp.low)
        high = Python("inf") if step.clamp.high is None else lit(step.clamp.high)
        value = code("clamp({value}, {low}, {high})", value=value, low=low, high=high)
    return code("to_integer({value})", value=value) if step.round else value


def _split(path: str) -> tuple[str, str]:
    """Split a path after its last bracket into the path of the objects and the keys in each of them."""
    match = re.fullmatch(r"(.*[\]}])\.([^\]}]+)", path)
    return (match[1], match[2]) if match else ("", path)


def _subject(prefix: str) -> Python:
    return Python("item") if prefix else Python("payload")


def _inside(prefix: str, lines: list[Python]) -> Iterator[Python]:
    if not prefix:
        yield from lines
        return
    yield code("for item in each(payload, {path}):", path=lit(prefix))
    for line in lines:
        yield code("    {line}", line=line)
