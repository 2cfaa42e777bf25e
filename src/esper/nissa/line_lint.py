"""Finds everything that is wrong with one line of a run log, whatever the line is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from esper._generated.checks import ContractError, show
from esper._generated.codec import decode_line, encode_line
from esper._generated.envelope import Envelope
from esper._generated.fields import ENVELOPE_FIELDS, EVENT_FIELDS
from esper._generated.registry import DEPRECATED
from esper._generated.upcasters import check_version, upcast
from esper.nissa.field_lint import FieldLint, complain, lint_age, refuse_name
from esper.nissa.flaw import Complaint


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a line says of its place in the log."""

    seq: int
    run: str
    rank: int
    boot: str


def lint_line(data: bytes) -> tuple[Header | None, list[Complaint]]:
    """Return a line's header, None when it cannot be made out, and what is wrong with the line.

    The decoder has the last word on whether a line keeps to the contract; the tables tell why it does not.
    """
    refusal: ContractError | None = None
    try:
        envelope, payload = decode_line(data)
        if not DEPRECATED and encode_line(envelope, payload) == data:
            return _header_of(envelope), []
    except ContractError as error:
        refusal = error
    repeated: list[Complaint] = []
    try:
        plain = _parse(data, repeated)
    except (ValueError, RecursionError) as error:
        return None, [complain("not_json", None, "a line must be one JSON object", str(error))]
    header = _read_header(plain)
    return header, [*repeated, *_explain(plain, refusal)]


def _explain(plain: dict[str, Any], refusal: ContractError | None) -> Iterator[Complaint]:
    """Yield what the tables say is wrong, or the decoder's own complaint if they do not see it."""
    found = list(_lint_object(plain))
    old = [one for one in found if one.kind == "deprecated"]
    if refusal is None:
        yield from old
        return
    yield from found
    if found == old:
        yield complain("invalid", refusal.field, refusal.rule, refusal.got)


def _parse(data: bytes, repeated: list[Complaint]) -> dict[str, Any]:
    """Read a line as plain values and note the keys that are there twice, of which the last one counts.

    Raises:
        ValueError: it is no JSON object.
    """

    def read_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in dict.fromkeys(keys):
            if keys.count(key) > 1:
                rule, got = "must be there once", f"it {keys.count(key)} times"
                repeated.append(complain("repeated", key, rule, got))
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
    return Header(**values) if types == [int, str, int, str] else None  # type: ignore[arg-type] # looked at


def _lint_object(plain: dict[str, Any]) -> Iterator[Complaint]:
    try:
        fields = FieldLint(is_later=check_version(plain.get("v")))
    except ContractError as error:
        yield complain("newer", error.field, error.rule, error.got)
        return
    envelope = {key: plain[key] for key in plain if key != "payload"}
    flaws = list(fields.lint("", ENVELOPE_FIELDS, envelope))
    yield from flaws
    if "payload" not in plain:
        yield complain("missing", "payload", "must be there", "a line without it")
    elif not {"event", "v"} & {flaw.field for flaw in flaws}:
        event, payload = upcast(plain["v"], plain["event"], plain["payload"])
        for flaw in _lint_event(fields, event, payload):
            yield replace(flaw, event=event)


def _lint_event(fields: FieldLint, event: str, payload: Any) -> Iterator[Complaint]:
    if event not in EVENT_FIELDS:
        yield refuse_name(None, "must be an event of the contract", event, event)
    elif not isinstance(payload, dict):
        yield complain("mistyped", "payload", "must be an object", show(payload))
    else:
        yield from lint_age(event)
        yield from fields.lint(event, EVENT_FIELDS[event], payload)
