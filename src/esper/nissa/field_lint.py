"""Holds the keys of an object against the contract's tables, and finds everything that is wrong instead of the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from esper._generated.checks import (
    ContractError,
    check_any_float,
    check_bool,
    check_float,
    check_int,
    check_list,
    check_map,
    check_open_enum,
    check_pattern,
    check_str,
    show,
)
from esper._generated.fields import RECORD_FIELDS, FieldInfo
from esper._generated.registry import DEPRECATED, ENUMS, OPEN_ENUMS, RETIRED
from esper.nissa.flaw import Complaint, FlawKind

_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "str": (str,),
}
_NONFINITE = ("NaN", "Infinity", "-Infinity")
_ANYTHING = lambda _path, value: value


def lint_fields(
    owner: str, fields: tuple[FieldInfo, ...], plain: dict[str, Any], path: str, *, is_later: bool
) -> Iterator[Complaint]:
    """Go through what is wrong with an object of `owner`, an event or record; the objects in it included.

    `path` stands before the names of fields. Unknown keys are what a later version has added, if `is_later`.
    """
    rest = dict(plain)
    for field in fields:
        keys = [key for key in (field.wire or field.name, *field.aliases) if key in rest]
        values = [rest.pop(key) for key in keys]
        name = path + field.name
        if len(keys) > 1:
            yield _complain("repeated", name, "must be there once", " and ".join(keys))
        elif keys:
            yield from _lint_value(field, field.type, name, values[0], is_later)
            if values[0] is not None:
                yield from _lint_name(f"{owner}.{field.name}", name)
        elif field.required:
            yield _complain("missing", name, "must be there", f"{owner or 'a line'} without it")
    for key in rest if not is_later else ():
        yield unknown_name(path + key, "must be a field of the contract", key, f"{owner}.{key}")


def lint_event(event: str) -> Iterator[Complaint]:
    """Tell whether an event should no longer be used."""
    return _lint_name(event, "event")


def unknown_name(field: str, rule: str, got: object, name: str) -> Complaint:
    """Complain of a name that the contract does not know, or no longer."""
    if name in RETIRED:
        return _complain("retired", field, rule, f"{show(got)}, which is retired: {RETIRED[name]}")
    return _complain("unknown", field, rule, show(got))


def _complain(kind: FlawKind, field: str | None, rule: str, got: str) -> Complaint:
    return Complaint(kind=kind, field=field, message=f"{rule}, got {got}")


def _lint_name(name: str, field: str) -> Iterator[Complaint]:
    if name in DEPRECATED:
        message = f"should no longer be used: {DEPRECATED[name]}"
        yield Complaint(kind="deprecated", field=field, message=message)
