"""Reads lines that lack fields of the contract, for views, which show the fields as missing.

A program with a contract of its own, from which a field has been removed, writes such lines. Everybody else gets a line
as the contract has it, or the error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from esper._generated.channel import Payload
from esper._generated.checks import ContractError, set_field
from esper._generated.codec import inspect_line
from esper._generated.envelope import Envelope
from esper._generated.lazy import import_name
from esper._generated.unknown import UnknownName, UnknownPayload

_REPLACED: Final = {"t_wall_ns": 0, "t_mono_ns": 0, "epoch": None}
"""Keys of a line that it may lack; by the others it is found in the log."""
_ENV_FIELD: Final = "env_id"
_UNBOUND: Final = -1
"""The environment of events of a channel that is not bound to one."""

_Place = tuple[str | int, ...]
"""The way from a payload to a field: names of fields, positions in lists and keys of maps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteEvent:
    """An event whose line lacks fields, which are None in its payload, whatever their type."""

    envelope: Envelope
    payload: Payload
    unknown: tuple[UnknownName, ...]
    """Names that a later minor version has added."""
    missing: tuple[str, ...]
    """`EVENT.field`, `Record.field`, or `line.key`, each once."""


def read_incomplete(data: bytes) -> IncompleteEvent | None:
    """Return the event of a line that breaks the contract only in that it lacks fields; None if it breaks it otherwise.

    All values that are there are checked. An environment that is missing is -1, as where the channel is not bound to one;
    times that are missing are 0.
    """
    try:
        plain = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(plain, dict) or not isinstance(plain.get("payload"), dict):
        return None
    event, payload = plain.get("event"), plain["payload"]
    fields = import_name("fields", "EVENT_FIELDS")
    if not isinstance(event, str) or event not in fields:
        return None
    missing = [f"line.{key}" for key in _REPLACED if key not in plain]
    plain = {**_REPLACED, **plain}
    places: list[_Place] = []
    for place, name in _fill(event, fields[event], payload, ()):
        missing.append(name)
        if place != (_ENV_FIELD,):
            places.append(place)
    if not missing:
        return None
    try:
        envelope, complete, unknown = inspect_line(msgspec.json.encode(plain))
    except ContractError:
        return None
    if isinstance(complete, UnknownPayload):
        return None
    for place in places:
        _blank(complete, place)
    names = tuple(dict.fromkeys(missing))
    return IncompleteEvent(envelope=envelope, payload=complete, unknown=unknown, missing=names)


def _fill(
    owner: str, fields: Sequence[Any], plain: dict[str, Any], place: _Place
) -> Iterator[tuple[_Place, str]]:
    """Add a valid value for each field that an object lacks; yield the places of these fields and their names."""
    records = import_name("fields", "RECORD_FIELDS")
    for field in fields:
        key = field.wire or field.name
        if field.required and not any(one in plain for one in (key, *field.aliases)):
            plain[key] = _UNBOUND if field.name == _ENV_FIELD else _example(field)
            yield (*place, field.name), f"{owner}.{field.name}"
            continue
        record = field.type.rstrip("[]{}")
        if record not in records:
            continue
        for part, item in _items(plain.get(key)):
            if isinstance(item, dict):
                yield from _fill(record, records[record], item, (*place, field.name, *part))


def _items(value: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield a record, or each record of a list, with its position in the list."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield (index,), item
    else:
        yield (), value


def _blank(payload: Any, place: _Place) -> None:
    """Set the field at `place` to None."""
    owner = payload
    for part in place[:-1]:
        owner = owner[part] if isinstance(part, int) else getattr(owner, str(part))
    set_field(owner, str(place[-1]), None)


def _example(field: Any) -> Any:
    """Return the JSON of a valid value of a field."""
    if field.nullable:
        return None
    inner = field.type.rstrip("[]{}")
    if field.type.endswith("[]"):
        return [_item(field, inner)] * field.min_length
    if field.type.endswith("{}"):
        return {f"{number}": _item(field, inner) for number in range(field.min_length)}
    return _item(field, inner)


def _item(field: Any, inner: str) -> Any:
    records, enums = import_name("fields", "RECORD_FIELDS"), import_name("registry", "ENUMS")
    if inner in records:
        return {one.wire or one.name: _example(one) for one in records[inner]}
    if inner in enums:
        return next(iter(enums[inner].__members__))
    match inner:
        case "str":
            return _text(field)
        case "bool":
            return False
        case "int":
            return int(field.low or 0)
        case _:
            return float(field.low or 0)


def _text(field: Any) -> str:
    if field.pattern is None:
        return "x" * int(field.min_length)
    texts = ("0" * length for length in range(65))
    return next((text for text in texts if re.fullmatch(field.pattern, text)), "")
