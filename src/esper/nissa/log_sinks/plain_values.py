"""The fields of an event as plain JSON values, for tools that know nothing of the contract's types."""

from __future__ import annotations

import json
import math
from enum import Enum
from typing import Any

from esper._generated.fields import EVENT_FIELDS
from esper._generated.run import LoopStartedPayload, RunStartedPayload
from esper.leyline.text import encodable
from esper.nissa.reader import LoggedEvent


def plain_fields(event: LoggedEvent) -> dict[str, Any]:
    """Return the fields of an event that are numbers, texts, enums or lists of these; those that are None are left out.

    An enum is its name. NaN and infinities are texts, as JSON has no such numbers.
    """
    envelope, payload = event
    values = {one.name: _plain(getattr(payload, one.name)) for one in EVENT_FIELDS[envelope.event]}
    return {name: value for name, value in values.items() if value is not None}


def run_settings(event: LoggedEvent) -> dict[str, Any]:
    """Return the fields of the event that begins a run, and the configuration in it, for tables of many runs.

    The configuration holds texts; one that is a number, true or false in JSON becomes that. A field comes before a setting of
    the same name.
    """
    _, payload = event
    settings: dict[str, Any] = {}
    if (
        isinstance(payload, RunStartedPayload | LoopStartedPayload)
        and payload.provenance is not None
    ):
        settings = {
            encodable(name): _parsed(value) for name, value in payload.provenance.config.items()
        }
    return settings | plain_fields(event)


def _parsed(text: str) -> bool | int | float | str:
    try:
        value = json.loads(text, parse_constant=str)
    except ValueError:
        return encodable(text)
    is_number = isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
    return value if is_number else encodable(text)


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, tuple | list):
        return [one for one in map(_plain, value) if one is not None]
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value).replace("inf", "Infinity")
    return value if isinstance(value, bool | int | float) else None
