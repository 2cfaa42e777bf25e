"""The curves and texts in an event, as the contract's keys `plot` describe them; a new field appears by itself.

The name of a curve has parts: the event, what the fields of the kind `series` say, then the field. `EPOCH_COMPLETED` has
`epoch_completed/val_accuracy`, and for a seed in slot r0c0 `epoch_completed/seeds/r0c0/alpha`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from esper._generated.fields import EVENT_FIELDS, RECORD_FIELDS, FieldInfo
from esper.nissa.reader import LoggedEvent

_ENV_FIELD = "env_id"

Found = Iterator[tuple[tuple[str, ...], Any]]
_Find = Callable[[Any], Found]


class _Label(str):
    """A part of a curve's name that is the value of a field of the kind `series`."""

    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point of a curve, for tools in which curves have labels beside their names."""

    name: str
    """The name without what the fields of the kind `series` say, as in `epoch_completed/seeds/alpha`."""
    labels: Mapping[str, str]
    """The values of these fields, as in `slot_id: r0c0`."""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an event stands on the x axis."""

    axis: str
    """`step` or `epoch`."""
    x: int
    """The step, or the epoch; 0 before the first epoch."""


def find_place(event: LoggedEvent) -> Place:
    """Return the place of an event: the value of its field of the kind `step`, else the epoch."""
    envelope, payload = event
    name = _step_field(envelope.event)
    step = None if name is None else getattr(payload, name)
    if step is not None:
        return Place(axis="step", x=step)
    return Place(axis="epoch", x=envelope.epoch or 0)


def find_env(event: LoggedEvent) -> int | None:
    """Return the environment of an event; None if it has none."""
    envelope, payload = event
    if not _has_env(envelope.event):
        return None
    env_id: int = getattr(payload, _ENV_FIELD)
    return env_id if env_id >= 0 else None


def find_scalars(event: LoggedEvent) -> list[tuple[str, float]]:
    """Return name and value of each point that an event adds to a curve; values that were not measured are left out.

    An enum counts as its number, false and true as 0 and 1.
    """
    envelope, payload = event
    root = envelope.event.lower()
    return [
        ("/".join((root, *parts)), float(value))
        for find in _finders(envelope.event, "scalar")
        for parts, value in find(payload)
    ]


def find_points(event: LoggedEvent) -> list[Point]:
    """Return the same points as `find_scalars`, with labels."""
    envelope, payload = event
    root = envelope.event.lower()
    return [
        Point(
            name="/".join((root, *(one for one in parts if not isinstance(one, _Label)))),
            labels={one.field: str(one) for one in parts if isinstance(one, _Label)},
            value=float(value),
        )
        for find in _finders(envelope.event, "scalar")
        for parts, value in find(payload)
    ]


def find_texts(event: LoggedEvent) -> list[tuple[str, str]]:
    """Return name and text of each text in an event."""
    envelope, payload = event
    root = envelope.event.lower()
    return [
        ("/".join((root, *parts)), _to_text(value))
        for find in _finders(envelope.event, "text")
        for parts, value in find(payload)
    ]


@cache
def _step_field(event: str) -> str | None:
    return next((one.name for one in EVENT_FIELDS[event] if one.plot == "step"), None)


@cache
def _has_env(event: str) -> bool:
    return any(one.name == _ENV_FIELD for one in EVENT_FIELDS[event])


@cache
def _finders(event: str, plot: str) -> tuple[_Find, ...]:
    return tuple(_make_finders(EVENT_FIELDS[event], plot))


def _make_finders(declared: Sequence[FieldInfo], plot: str) -> Iterator[_Find]:
    """Yield a function for each field of an owner that has values of the kind `plot`."""
    labels = tuple(one.name for one in declared if one.plot == "series")
    for one in declared:
        record = one.type.rstrip("[]{}")
        if one.plot == plot:
            yield _find_values(one, labels)
        elif record in RECORD_FIELDS:
            within = tuple(_make_finders(RECORD_FIELDS[record], plot))
            if within:
                yield _find_within(one.name, labels, within)


def _find_values(declared: FieldInfo, labels: tuple[str, ...]) -> _Find:
    name, is_map = declared.name, declared.type.endswith("{}")

    def find(owner: Any) -> Found:
        value = getattr(owner, name)
        if value is None:
            return
        head = _label(owner, labels)
        if not is_map:
            yield (*head, name), value
            return
        for key, one in value.items():
            yield (*head, name, key), one

    return find


def _find_within(name: str, labels: tuple[str, ...], within: Iterable[_Find]) -> _Find:
    def find(owner: Any) -> Found:
        head = (*_label(owner, labels), name)
        for key, record in _records(getattr(owner, name)):
            for find_one in within:
                for parts, value in find_one(record):
                    yield (*head, *key, *parts), value

    return find


def _records(value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each record in a value, with its key in a map."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield (key,), one
    elif isinstance(value, tuple | list):
        yield from (((), one) for one in value)
    elif value is not None:
        yield (), value


def _label(owner: Any, fields: tuple[str, ...]) -> tuple[_Label, ...]:
    labels = []
    for field in fields:
        label = _Label(_to_text(getattr(owner, field)))
        label.field = field
        labels.append(label)
    return tuple(labels)


def _to_text(value: Any) -> str:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, tuple | list):
        return ", ".join(map(_to_text, value))
    return str(value)
