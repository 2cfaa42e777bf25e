"""What the values of an event are called in a table, where envelope and payload stand side by side."""

from collections.abc import Iterable, Iterator

from codegen.model import Envelope, Value


def name_columns(envelope: Envelope, fields: Iterable[Value]) -> Iterator[tuple[str, Value]]:
    """Go through the fields of a payload with the names of their columns."""
    taken = {value.name for value in envelope.fields}
    for value in fields:
        yield f"payload_{value.name}" if value.name in taken else value.name, value
