"""Validates one line of a run log, which may hold any bytes, and finds everything that is wrong with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn, final

from esper._generated.checks import (
    ContractError,
    check_any_float,
    check_bool,
    check_float,
    check_int,
    check_list,
    check_map,
    check_pattern,
    check_str,
    show,
)
from esper._generated.codec import inspect_line
from esper._generated.envelope import Envelope
from esper._generated.fields import ENVELOPE_FIELDS, EVENT_FIELDS, RECORD_FIELDS, FieldInfo
from esper._generated.registry import DEPRECATED, ENUMS, OPEN_ENUMS, RETIRED
from esper._generated.unknown import UnknownName
from esper._generated.upcasters import check_version, upcast

ViolationKind = Literal[
    "not_json",
    "missing",
    "unknown",
    "mistyped",
    "out_of_range",
    "retired",
    "deprecated",
    "repeated",
    "newer",
    "foreign",
    "gap",
    "overlap",
    "torn",
    "invalid",
]
"""Kinds of violations.

not_json: the line is not a JSON object. missing, unknown, mistyped, out_of_range: a key is missing, not in the
contract, of the wrong type, outside its bounds. retired: a name that an earlier contract had. deprecated: a name that
should not be used any more. repeated: a key occurs twice. newer: the line was written under a later major version of the
contract. foreign: the line or file belongs to another log. gap: the event number is not the expected one. overlap: two
processes wrote the log of one rank at the same time. torn: the line end is missing. invalid: the decoder rejects the
line for another reason."""

_NONFINITE = ("NaN", "Infinity", "-Infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One rule that a line breaks."""

    kind: ViolationKind
    message: str
    """The rule and the value that breaks it."""
    event: str | None = None
    """Name of the line's event; None if it is unknown."""
    field: str | None = None
    """Path of the field, such as `seeds[0].stage`; None if the line as a whole is meant."""

    @property
    def subject(self) -> str:
        """Event and field, such as `SEED_PRUNED.reason`; empty if the line as a whole is meant."""
        return ".".join(name for name in (self.event, self.field) if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The keys of a line that say which log it belongs to and its place in it."""

    seq: int
    run: str
    rank: int
    boot: str


def lint_line(data: bytes) -> tuple[Header | None, list[Violation], tuple[UnknownName, ...]]:
    """Return a line's header, None if it cannot be read, the rules that the line breaks, and its unknown names.

    The decoder decides whether a line is valid; the contract's tables of fields only explain why it is not. Unknown
    names are allowed in lines of a later minor version of the contract, and only there.
    """
    refusal: ContractError | None = None
    unknown: tuple[UnknownName, ...] = ()
    try:
        envelope, _, unknown = inspect_line(data)
        if not DEPRECATED:
            return _header_of(envelope), [], unknown
    except ContractError as error:
        refusal = error
    repeated: list[Violation] = []
    try:
        plain = _parse(data, repeated)
    except (ValueError, RecursionError) as error:
        violation = _violation("not_json", None, "a line must be one JSON object", str(error))
        return None, [violation], ()
    header = _read_header(plain)
    return header, [*repeated, *_explain(plain, refusal, is_repeated=bool(repeated))], unknown


def _explain(
    plain: dict[str, Any], refusal: ContractError | None, *, is_repeated: bool
) -> Iterator[Violation]:
    """Yield the violations that the tables show, or the decoder's error if nothing else explains it."""
    found = list(_lint_object(plain))
    deprecations = [one for one in found if one.kind == "deprecated"]
    if refusal is None:
        yield from deprecations
        return
    yield from found
    if found == deprecations and not is_repeated:
        yield _violation("invalid", refusal.field, refusal.rule, refusal.got)


def _parse(data: bytes, repeated: list[Violation]) -> dict[str, Any]:
    """Return a line as a dict and add its repeated keys to `repeated`; the last of equal keys is in the dict.

    Raises:
        ValueError: the line is not a JSON object.
    """

    def read_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, count in Counter(key for key, _ in pairs).items():
            if count > 1:
                rule, got = "must be there once", f"it {count} times"
                repeated.append(_violation("repeated", key, rule, got))
        return dict(pairs)

    plain = json.loads(data, object_pairs_hook=read_pairs, parse_constant=_refuse_constant)
    if not isinstance(plain, dict):
        raise ValueError(show(plain))
    return plain


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"a bare {name}")


def _header_of(envelope: Envelope) -> Header:
    return Header(seq=envelope.seq, run=envelope.run, rank=envelope.rank, boot=envelope.boot)


def _read_header(plain: dict[str, Any]) -> Header | None:
    values = {key: plain.get(key) for key in ("seq", "run", "rank", "boot")}
    types = [type(value) for value in values.values()]
    return Header(**values) if types == [int, str, int, str] else None  # type: ignore[arg-type] # compared


def _lint_object(plain: dict[str, Any]) -> Iterator[Violation]:
    try:
        fields = _FieldLinter(is_later=check_version(plain.get("v")))
    except ContractError as error:
        yield _violation("newer", error.field, error.rule, error.got)
        return
    envelope = {key: plain[key] for key in plain if key != "payload"}
    violations = list(fields.lint("", ENVELOPE_FIELDS, envelope))
    yield from violations
    if "payload" not in plain:
        yield _violation("missing", "payload", "must be there", "a line without it")
    elif not {"event", "v"} & {violation.field for violation in violations}:
        event, payload = upcast(plain["v"], plain["event"], plain["payload"])
        for violation in _lint_event(fields, event, payload):
            yield replace(violation, event=event)


def _lint_event(fields: _FieldLinter, event: str, payload: Any) -> Iterator[Violation]:
    if event not in EVENT_FIELDS and fields.is_later:
        return
    if event not in EVENT_FIELDS:
        yield _unknown_name(None, "must be an event of the contract", event, event)
    elif not isinstance(payload, dict):
        yield _violation("mistyped", "payload", "must be an object", show(payload))
    else:
        yield from _lint_deprecation(event)
        yield from fields.lint(event, EVENT_FIELDS[event], payload)


@final
class _FieldLinter:
    """Compares the fields of one line with the contract's tables."""

    def __init__(self, *, is_later: bool) -> None:
        """Prepare for a line; with `is_later`, unknown names are allowed: a later version may have added them."""
        self.is_later = is_later

    def lint(
        self, owner: str, fields: tuple[FieldInfo, ...], plain: dict[str, Any], path: str = ""
    ) -> Iterator[Violation]:
        """Yield the violations of an object of event or record `owner`; `path` prefixes the names of its fields."""
        rest = dict(plain)
        for field in fields:
            name = path + field.name
            keys = [key for key in (field.wire or field.name, *field.aliases) if key in rest]
            values = [rest.pop(key) for key in keys]
            if len(keys) > 1:
                yield _violation("repeated", name, "must be there once", " and ".join(keys))
            elif keys:
                yield from self._lint_use(f"{owner}.{field.name}", field, name, values[0])
            elif field.required:
                got = f"{owner or 'a line'} without it"
                yield _violation("missing", name, "must be there", got)
        for key in rest if not self.is_later else ():
            rule = "must be a field of the contract"
            yield _unknown_name(path + key, rule, key, f"{owner}.{key}")

    def _lint_use(
        self, qualified_name: str, field: FieldInfo, path: str, plain: Any
    ) -> Iterator[Violation]:
        if plain is None and field.nullable:
            return
        yield from _lint_deprecation(qualified_name, path)
        for violation in self._lint_value(field, field.type, path, plain):
            # A later version may have widened the bounds.
            if violation.kind != "out_of_range" or not self.is_later:
                yield violation

    def _lint_value(
        self, field: FieldInfo, type_name: str, path: str, plain: Any
    ) -> Iterator[Violation]:
        """Yield the violations of a value of type `type_name`: the field's type, or that of an item in a list or map."""
        if type_name.endswith("[]"):
            yield from _check(
                (list,), check_list, path, plain, *_length(field, type_name), _skip_item
            )
            for index, item in enumerate(plain) if isinstance(plain, list) else ():
                yield from self._lint_value(field, type_name[:-2], f"{path}[{index}]", item)
        elif type_name.endswith("{}"):
            yield from _check(
                (dict,), check_map, path, plain, *_length(field, type_name), _skip_item
            )
            for key, item in plain.items() if isinstance(plain, dict) else ():
                yield from self._lint_value(field, type_name[:-2], f"{path}[{key!r}]", item)
        elif type_name in RECORD_FIELDS:
            if isinstance(plain, dict):
                yield from self.lint(type_name, RECORD_FIELDS[type_name], plain, f"{path}.")
            else:
                yield _violation("mistyped", path, "must be an object", show(plain))
        elif type_name in ENUMS:
            yield from self._lint_member(type_name, path, plain)
        else:
            yield from _lint_primitive(field, type_name, path, plain)

    def _lint_member(self, enum: str, path: str, plain: Any) -> Iterator[Violation]:
        members = ENUMS[enum].__members__
        if not isinstance(plain, str):
            yield _violation("mistyped", path, f"must be the name of a {enum}", show(plain))
        elif plain in members:
            yield from _lint_deprecation(f"{enum}.{plain}", path)
        elif not self.is_later and enum not in OPEN_ENUMS:
            yield _unknown_name(
                path, f"must be one of {', '.join(members)}", plain, f"{enum}.{plain}"
            )


def _violation(kind: ViolationKind, field: str | None, rule: str, got: str) -> Violation:
    return Violation(kind=kind, field=field, message=f"{rule}, got {got}")


def _unknown_name(field: str | None, rule: str, got: object, name: str) -> Violation:
    """Return the violation of a name that the contract does not have, or does not have any more."""
    if name in RETIRED:
        return _violation("retired", field, rule, f"{show(got)}, which is retired: {RETIRED[name]}")
    return _violation("unknown", field, rule, show(got))


def _lint_deprecation(name: str, field: str | None = None) -> Iterator[Violation]:
    """Yield a violation if the contract marks `name` as deprecated."""
    if name in DEPRECATED:
        message = f"should no longer be used: {DEPRECATED[name]}"
        yield Violation(kind="deprecated", field=field, message=message)


def _lint_primitive(field: FieldInfo, type_name: str, path: str, plain: Any) -> Iterator[Violation]:
    bounds = {"low": field.low, "high": field.high}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    match type_name:
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
            length = _length(field, type_name)
            yield from _check((str,), check_pattern, path, plain, field.pattern, *length)
        case _:
            yield from _check((str,), check_str, path, plain, *_length(field, type_name))


def _length(field: FieldInfo, type_name: str) -> tuple[int, int | None]:
    """Return the bounds of a length, which apply to the outermost list, map or text."""
    return (field.min_length, field.max_length) if type_name == field.type else (0, None)


def _check(
    types: tuple[type, ...],
    check: Callable[..., object],
    path: str,
    plain: Any,
    *rule: Any,
    **bounds: Any,
) -> Iterator[Violation]:
    """Yield a violation if the generated check fails: out_of_range if the value is of one of `types`, else mistyped."""
    try:
        check(path, plain, *rule, **bounds)
    except ContractError as error:
        kind: ViolationKind = "out_of_range" if type(plain) in types else "mistyped"
        yield _violation(kind, error.field, error.rule, error.got)


def _skip_item(_path: str, value: object) -> object:
    """Accept every item of a list or map; the items are checked one by one afterwards."""
    return value
