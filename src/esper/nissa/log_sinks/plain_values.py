"""The fields of an event as plain JSON values, for tools that know nothing of the contract's types."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

from esper._generated.fields import EVENT_FIELDS
from esper.leyline.text import encodable
from esper.nissa.reader import LoggedEvent


def plain_fields(event: LoggedEvent) -> dict[str, Any]:
    """Return the fields of an event that are numbers, texts, enums or lists of these; those that are None are left out.

    An enum is its name. NaN and infinities are texts, as JSON has no such numbers.
    """
    envelope, payload = event
    values = {one.name: _plain(getattr(payload, one.name)) for one in EVENT_FIELDS[envelope.event]}
    return {name: value for name, value in values.items() if value is not None}


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
