"""Turns events into Arrow tables with the contract's schema, one table for each kind of event."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from esper._generated.fields import ENVELOPE_FIELDS, EVENT_FIELDS, RECORD_FIELDS
from esper.leyline.errors import MissingExtraError
from esper.nissa.reader import LoggedEvent

if TYPE_CHECKING:
    import pyarrow

_Convert = Callable[[Any], Any]
_EXTRA = "export"
_PLAIN = ("int", "float", "bool", "str")
_ENVELOPE = tuple(one.name for one in ENVELOPE_FIELDS)


def check_pyarrow() -> None:
    """Check that pyarrow is installed; it is not imported, which takes a tenth of a second.

    Raises:
        MissingExtraError: it is not.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError(_EXTRA, package="pyarrow")


def to_table(event: str, events: Sequence[LoggedEvent]) -> pyarrow.Table:
    """Return the table of `events`, which are all of the kind `event`: a row each, in their order.

    The columns are those of the contract's Arrow schema. Enums are their names, records are structs, NaN stays NaN, and
    null means not measured.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    check_pyarrow()
    import pyarrow

    from esper._generated.arrow_schemas import EVENT_SCHEMAS

    schema = EVENT_SCHEMAS[event]
    envelopes = [envelope for envelope, _ in events]
    payloads = [payload for _, payload in events]
    columns = [[getattr(one, name) for one in envelopes] for name in _ENVELOPE]
    columns += [_column(name, convert, payloads) for name, convert in _converters(event)]
    arrays = [
        pyarrow.array(column, type=field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _column(name: str, convert: _Convert | None, payloads: Iterable[Any]) -> list[Any]:
    values = [getattr(payload, name) for payload in payloads]
    if convert is None:
        return values
    return [None if value is None else convert(value) for value in values]


@cache
def _converters(owner: str) -> tuple[tuple[str, _Convert | None], ...]:
    """Return the fields of an event or a record, each with the function that converts a value for Arrow."""
    declared = RECORD_FIELDS[owner] if owner in RECORD_FIELDS else EVENT_FIELDS[owner]
    return tuple((one.name, _converter(one.type)) for one in declared)


def _converter(type_: str) -> _Convert | None:
    """Return the function that converts values of a type; None if they can stay as they are."""
    if type_ in _PLAIN:
        return None
    if type_.endswith("[]"):
        return partial(_convert_list, _converter(type_[:-2]))
    if type_.endswith("{}"):
        return partial(_convert_map, _converter(type_[:-2]))
    return partial(_convert_record, type_) if type_ in RECORD_FIELDS else _name_of


def _convert_list(convert: _Convert | None, items: Iterable[Any]) -> list[Any]:
    return list(items) if convert is None else [convert(item) for item in items]


def _convert_map(convert: _Convert | None, items: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(key, item if convert is None else convert(item)) for key, item in items.items()]


def _convert_record(name: str, record: Any) -> dict[str, Any]:
    values = {}
    for field, convert in _converters(name):
        value = getattr(record, field)
        values[field] = value if value is None or convert is None else convert(value)
    return values


def _name_of(member: Any) -> str:
    name: str = member.name
    return name
