"""Names and one-line descriptions of values, the same in every output language."""

from collections.abc import Iterable, Iterator

from ..contract.model import Envelope, Value
from ..contract.nodes import BARE_COUNT


def name_unit(value: Value) -> str:
    """Return the unit of a value; empty if it has no unit or is a bare count."""
    return "" if value.unit in (None, BARE_COUNT) else str(value.unit)


def describe(value: Value) -> str:
    """Return the description of a value, with its unit."""
    unit = name_unit(value)
    return f"{value.doc} [{unit}]" if unit else value.doc


def name_columns(envelope: Envelope, fields: Iterable[Value]) -> Iterator[tuple[str, Value]]:
    """Yield the fields of a payload with unique names for columns, in a table that has those of the envelope too."""
    values = tuple(fields)
    taken = {value.name for value in envelope.fields}
    own = {value.name for value in values}
    for value in values:
        column = value.name
        while column in taken or (column in own and column != value.name):
            column = f"payload_{column}"
        yield column, value
