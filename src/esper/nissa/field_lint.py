"""Holds the keys of an object against the contract's tables, and finds all that is wrong instead of the first of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

_NONFINITE = ("NaN", "Infinity", "-Infinity")


class FieldLint:
    """Goes through what is wrong with the fields of one line."""

    def __init__(self, *, is_later: bool) -> None:
        """Prepare for a line; unknown keys are what a later version has added, if `is_later`."""
        self._is_later = is_later

    def lint(
        self, owner: str, fields: tuple[FieldInfo, ...], plain: dict[str, Any], path: str = ""
    ) -> Iterator[Complaint]:
        """Yield what is wrong with an object of `owner`; `path` stands before the names of its fields."""
        rest = dict(plain)
        for field in fields:
            name = path + field.name
            keys = [key for key in (field.wire or field.name, *field.aliases) if key in rest]
            values = [rest.pop(key) for key in keys]
            if len(keys) > 1:
                yield complain("repeated", name, "must be there once", " and ".join(keys))
            elif keys:
                yield from self._lint_use(f"{owner}.{field.name}", field, name, values[0])
            elif field.required:
                yield complain("missing", name, "must be there", f"{owner or 'a line'} without it")
        for key in rest if not self._is_later else ():
            rule = "must be a field of the contract"
            yield refuse_name(path + key, rule, key, f"{owner}.{key}")

    def _lint_use(self, owned: str, field: FieldInfo, path: str, plain: Any) -> Iterator[Complaint]:
        if plain is None and field.nullable:
            return
        yield from lint_age(owned, path)
        yield from self._lint_value(field, field.type, path, plain)

    def _lint_value(self, field: FieldInfo, of: str, path: str, plain: Any) -> Iterator[Complaint]:
        if of.endswith("[]"):
            yield from _check((list,), check_list, path, plain, *_length(field, of), _keep)
            for index, item in enumerate(plain) if isinstance(plain, list) else ():
                yield from self._lint_value(field, of[:-2], f"{path}[{index}]", item)
        elif of.endswith("{}"):
            yield from _check((dict,), check_map, path, plain, *_length(field, of), _keep)
            for key, item in plain.items() if isinstance(plain, dict) else ():
                yield from self._lint_value(field, of[:-2], f"{path}[{key!r}]", item)
        elif of in RECORD_FIELDS:
            if isinstance(plain, dict):
                yield from self.lint(of, RECORD_FIELDS[of], plain, f"{path}.")
            else:
                yield complain("mistyped", path, "must be an object", show(plain))
        elif of in ENUMS:
            yield from _lint_member(of, path, plain)
        else:
            yield from _lint_primitive(field, of, path, plain)


def complain(kind: FlawKind, field: str | None, rule: str, got: str) -> Complaint:
    """Complain of a field: the rule, then what was got."""
    return Complaint(kind=kind, field=field, message=f"{rule}, got {got}")


def refuse_name(field: str | None, rule: str, got: object, name: str) -> Complaint:
    """Complain of a name that the contract does not know, or no longer."""
    if name in RETIRED:
        return complain("retired", field, rule, f"{show(got)}, which is retired: {RETIRED[name]}")
    return complain("unknown", field, rule, show(got))


def lint_age(name: str, field: str | None = None) -> Iterator[Complaint]:
    """Complain of a name that should no longer be used."""
    if name in DEPRECATED:
        message = f"should no longer be used: {DEPRECATED[name]}"
        yield Complaint(kind="deprecated", field=field, message=message)


def _lint_member(enum: str, path: str, plain: Any) -> Iterator[Complaint]:
    members = ENUMS[enum].__members__
    if not isinstance(plain, str):
        yield complain("mistyped", path, f"must be the name of a {enum}", show(plain))
    elif plain in members:
        yield from lint_age(f"{enum}.{plain}", path)
    elif enum in OPEN_ENUMS:
        yield from _check((str,), check_open_enum, path, plain, ENUMS[enum])
    else:
        yield refuse_name(path, f"must be one of {', '.join(members)}", plain, f"{enum}.{plain}")


def _lint_primitive(field: FieldInfo, of: str, path: str, plain: Any) -> Iterator[Complaint]:
    bounds = {"low": field.low, "high": field.high}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    match of:
        case "int":
            yield from _check((int,), check_int, path, plain, **given)
        case "float" if field.nonfinite == "string":
            number = float(plain) if plain in _NONFINITE else plain
            yield from _check((float, int), check_any_float, path, number, **given)
        case "float":
            yield from _check((float, int), check_float, path, plain, **given)
        case "bool":
            yield from _check((bool,), check_bool, path, plain)
        case _ if field.pattern is not None:
            length = _length(field, of)
            yield from _check((str,), check_pattern, path, plain, field.pattern, *length)
        case _:
            yield from _check((str,), check_str, path, plain, *_length(field, of))


def _length(field: FieldInfo, of: str) -> tuple[int, int | None]:
    """Return the bounds of a length, which are those of the outermost list, map or text."""
    return (field.min_length, field.max_length) if of == field.type else (0, None)


def _check(
    types: tuple[type, ...],
    check: Callable[..., object],
    path: str,
    plain: Any,
    *rule: Any,
    **bounds: Any,
) -> Iterator[Complaint]:
    """Complain of what the generated check refuses; a value of one of `types` is only out of bounds."""
    try:
        check(path, plain, *rule, **bounds)
    except ContractError as error:
        kind: FlawKind = "out_of_range" if type(plain) in types else "mistyped"
        yield complain(kind, error.field, error.rule, error.got)


def _keep(_path: str, value: object) -> object:
    """Leave the items of a list or map to be checked one by one."""
    return value
