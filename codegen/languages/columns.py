"""What the values of an event are called in a table, where envelope and payload stand side by side."""

from collections.abc import Iterable, Iterator

from ..contract.model import Envelope, Value


def name_columns(envelope: Envelope, fields: Iterable[Value]) -> Iterator[tuple[str, Value]]:
    """Go through the fields of a payload with the names of their columns; no two are alike."""
    values = tuple(fields)
    taken = {value.name for value in envelope.fields}
    own = {value.name for value in values}
    for value in values:
        column = value.name
        while column in taken or (column in own and column != value.name):
            column = f"payload_{column}"
        yield column, value
