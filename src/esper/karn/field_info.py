"""Finds the contract's declaration of a field: its unit, description and kind."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from esper._generated.lazy import import_name

if TYPE_CHECKING:
    from esper._generated.fields import FieldInfo


@cache
def find_field(event: str, path: str) -> FieldInfo | None:
    """Return the declaration of a field of an event, or of a record in it; None if the contract does not have it.

    Args:
        event: name of the event, such as EPOCH_COMPLETED.
        path: name of the field; for a field of a record, the names from the event on, as in `seeds.alpha`.
    """
    # Imported late: most processes do not show units, and the declarations take some milliseconds to import.
    fields = import_name("fields", "EVENT_FIELDS").get(event, ())
    found: FieldInfo | None = None
    for name in path.split("."):
        found = next((one for one in fields if one.name == name), None)
        if found is None:
            return None
        fields = import_name("fields", "RECORD_FIELDS").get(found.type.rstrip("[]{}"), ())
    return found
