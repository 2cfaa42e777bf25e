"""How a value is put into words wherever there is one line for it."""

from ..contract.model import Value

_BARE_COUNT = "1"


def name_unit(value: Value) -> str:
    """Return the unit of a value; empty for what has none, bare counts included."""
    return "" if value.unit in (None, _BARE_COUNT) else str(value.unit)


def describe(value: Value) -> str:
    """Return what a value says, with its unit."""
    unit = name_unit(value)
    return f"{value.doc} [{unit}]" if unit else value.doc
