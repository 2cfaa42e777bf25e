"""The tables of the reference."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...contract.model import Field, Reserved, Value
from ..wording import name_unit
from .cells import (
    NOTHING,
    explain,
    name_capture,
    name_defaults,
    name_keys,
    name_limits,
    name_type,
)
from .quoting import Markdown, span, text


@dataclass(frozen=True, slots=True)
class Table:
    """A table, without columns that would be empty."""

    headings: list[Markdown]
    rows: list[list[Markdown]]


def tabulate(rows: Iterable[dict[str, Markdown]]) -> Table:
    """Return a table of rows that have the same columns."""
    listed = list(rows)
    columns = [key for key in (listed[0] if listed else ()) if any(row[key] for row in listed)]
    return Table([text(one) for one in columns], [[row[one] for one in columns] for row in listed])


def tabulate_values(
    values: Iterable[Value], readers: Mapping[str, Markdown] | None = None
) -> Table:
    """Return the table of fields; `readers` lists the modules that read each field, by its name."""
    return tabulate(
        {
            "field": span(value.name),
            "key": name_keys(value),
            "type": name_type(value),
            "unit": text(name_unit(value)),
            "range": name_limits(value),
            "default": name_defaults(value),
            "from": name_capture(value) if isinstance(value, Field) else NOTHING,
            "shown as": text(value.shown_as if value.shown_as != "none" else ""),
            "sensitive": text("yes" if value.sensitive else ""),
            "since": text(value.since or ""),
            "read by": (readers or {}).get(value.name, NOTHING),
            "meaning": explain(value.doc, value.deprecated),
        }
        for value in values
    )


def tabulate_reserved(names: Iterable[Reserved]) -> Table:
    """Return the table of removed names."""
    return tabulate(
        {
            "retired": span(one.name),
            "until": text(one.last or ""),
            "meaning": text(one.doc),
        }
        for one in names
    )
