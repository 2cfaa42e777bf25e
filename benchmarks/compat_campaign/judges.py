"""Finds out who is really broken by a change: runs readers on records, and old callers on the new package."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.compat_campaign.packages import Package, query_views
from benchmarks.compat_campaign.records import (
    encode,
    lines_of,
)
from codegen.contract.model import (
    RecordType,
    Value,
)

LINE = "envelope"
"""The subject of what concerns every line."""

Pairing = Mapping[str, str]
"""Which new event continues which old one: new names by old names."""


@dataclass
class Shown:
    """What was shown to be broken: for each subject, the first proof. Subjects are old names of events, records, enums."""

    proofs: dict[str, str] = field(default_factory=dict)

    def add(self, subject: str, proof: str) -> None:
        """Keep a proof, unless the subject has one."""
        self.proofs.setdefault(subject, proof[:300])


class ReaderError(AssertionError):
    """The readers of one contract disagree among themselves, or refuse their own records."""


def show_backward(old: Package, new: Package, pairing: Pairing) -> Shown:
    """Run the new readers on records that the old ones accept."""
    shown = Shown()
    for event in old.contract.events:
        for line in lines_of(old.contract, event, is_accepted=True):
            data = encode(line)
            before = decode(old, data)
            if isinstance(before, Exception):
                raise ReaderError(f"{data!r}: its own reader refuses it: {before}")
            after = decode(new, data)
            _check_readers_agree(new, data, after)
            if isinstance(after, Exception) and _is_of_envelope(new, after):
                shown.add(LINE, f"{data.decode()}: {after}")
                # The payload is looked at as well, on a line that the new readers accept.
                kept = {key: line[key] for key in ("event", "v", "payload")}
                after = decode(new, encode({**line_keys(new), **kept}))
            if isinstance(after, Exception):
                shown.add(event.name, f"{data.decode()}: {after}")
            elif type(after[1]).EVENT not in (pairing.get(event.name), event.name):
                # An upcast has made another event of it, which is a way to keep it readable.
                continue
            elif changed := _changed_missing(old, new, before, after):
                shown.add(event.name, f"{data.decode()}: {changed} reads as another value")
    return shown


def show_forward(old: Package, new: Package, pairing: Pairing) -> Shown:
    """Run the old readers on records that the new version writes."""
    shown = Shown()
    lines: dict[str, list[dict[str, Any]]] = {}
    for event in old.contract.events:
        name = pairing.get(event.name)
        found = [one for one in new.contract.events if one.name == name]
        for line in lines_of(new.contract, found[0], is_accepted=False) if found else ():
            data = encode(line)
            problem = _refusal(old, event.name, data)
            if problem.startswith("line."):
                shown.add(LINE, f"{data.decode()}: {problem}")
                # The payload is looked at as well, on a line that the old readers accept.
                kept = {key: line[key] for key in ("event", "v", "payload")}
                problem = _refusal(old, event.name, encode({**line_keys(old), **kept}))
                line = {**line_keys(old), **kept}
            if problem:
                shown.add(event.name, f"{data.decode()}: {problem}")
            elif line["event"] == event.name:
                lines.setdefault(event.name, []).append(line)
            error = next(old.reader_schema.iter_errors(line), None)
            if error is not None and not problem and line["event"] == event.name:
                shown.add(event.name, f"{data.decode()}: schema: {error.message}")
    for event, problem in _query(old, lines):
        shown.add(event, problem)
    return shown


def show_first(first: Package, old: Package, new: Package) -> Shown:
    """Read records of an earlier release with the new readers, and compare with how the old ones do."""
    shown = Shown()
    gone = {one.wire for owner in old.contract.owners for one in owner.reserved}
    for event in first.contract.events:
        for line in lines_of(first.contract, event, is_accepted=False):
            before = decode(old, encode(line))
            after = decode(new, encode(line))
            bare = decode(new, encode({**line, "payload": _without(line["payload"], gone)}))
            if isinstance(after, Exception) and not isinstance(before, Exception):
                shown.add(event.name, f"{encode(line)!r}: {after}")
            elif isinstance(before, Exception) and not isinstance(after, Exception):
                shown.add(event.name, f"{encode(line)!r}: reads as a new event")
            elif repr(after) != repr(bare):
                shown.add(event.name, f"{encode(line)!r}: a former name is read")
            elif changed := _changed(before, after):
                shown.add(event.name, f"{encode(line)!r}: {changed} reads as another value")
    return shown


def line_keys(package: Package) -> dict[str, Any]:
    """Return the keys of a line besides the payload as a package writes them."""
    contract = package.contract
    return next(lines_of(contract, next(iter(contract.events)), is_accepted=False))


def decode(package: Package, data: bytes) -> Any:
    """Return the envelope and the payload of a line, or the error of the codec."""
    try:
        return package.codec.decode_line(data)
    except ValueError as error:
        return error


def _check_readers_agree(package: Package, data: bytes, read: Any) -> None:
    try:
        envelope, payload, _ = package.strict.read_line(data)
    except ValueError as error:
        if not isinstance(read, Exception):
            raise ReaderError(f"{data!r}: only the strict reader refuses it: {error}") from None
        return
    if isinstance(read, Exception) or repr(read) != repr((envelope, payload)):
        raise ReaderError(f"{data!r}: two readers differ: {read!r}, {payload!r}")


def _is_of_envelope(package: Package, error: Exception) -> bool:
    names = {one.name for one in package.contract.envelope.fields} - {"event", "v"}
    name = str(getattr(error, "field", ""))
    return name in names or "line" in str(error) or name.startswith("key")


def _changed_missing(old: Package, new: Package, before: Any, after: Any) -> str:
    """Return the first field of a payload that a missing key gives another value than before."""
    old_event = next(one for one in old.contract.events if one.name == type(before[1]).EVENT)
    new_event = next(one for one in new.contract.events if one.name == type(after[1]).EVENT)
    values = {one.name: one for one in new_event.fields}
    return _find_changed(old_event.fields, values, before[1], after[1])


def _find_changed(old: tuple[Value, ...], new: Mapping[str, Value], before: Any, after: Any) -> str:
    for one in old:
        other = new.get(one.name)
        if other is None or one.missing is None or other.missing is None:
            continue
        if one.missing != other.missing and str(one.type) == str(other.type):
            was, now = getattr(before, one.name), getattr(after, one.name)
            if was == one.missing.value and now != was:
                return one.name
    for one in old:
        other = new.get(one.name)
        inner = one.innermost
        if (
            other is not None
            and isinstance(inner, RecordType)
            and isinstance(other.innermost, RecordType)
        ):
            fields = {value.name: value for value in other.innermost.record.fields}
            pairs = zip(
                _records(getattr(before, one.name)),
                _records(getattr(after, one.name)),
                strict=False,
            )
            for was, now in pairs:
                if found := _find_changed(inner.record.fields, fields, was, now):
                    return found
    return ""


def _records(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, tuple | list):
        return [one for item in value for one in _records(item)]
    if isinstance(value, Mapping):
        return [one for item in value.values() for one in _records(item)]
    return [value]


def _changed(before: Any, after: Any) -> str:
    if isinstance(before, Exception) or isinstance(after, Exception):
        return ""
    for name in set(before[1].__slots__) & set(after[1].__slots__):
        if repr(getattr(before[1], name)) != repr(getattr(after[1], name)):
            return name
    return ""


def _without(plain: Any, keys: set[str]) -> Any:
    if isinstance(plain, list):
        return [_without(one, keys) for one in plain]
    if isinstance(plain, dict):
        return {key: _without(one, keys) for key, one in plain.items() if key not in keys}
    return plain


def _refusal(package: Package, event: str, data: bytes) -> str:
    """Return why the readers of an older version do not give the event as it was promised; empty if they do."""
    try:
        _, payload, names = package.codec.inspect_line(data)
    except ValueError as error:
        return f"line.{error}" if _is_of_envelope(package, error) else str(error)
    for one in names:
        if one.kind in ("member", "value"):
            return f"{one.name} has a value that it does not allow"
    if event != type(payload).EVENT:
        return "it does not know the event"
    return ""


def _query(
    package: Package, lines: Mapping[str, list[dict[str, Any]]]
) -> Iterator[tuple[str, str]]:
    """Yield the events that a view does not show as the lines have them, with the difference."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.jsonl")
        every = [encode(line) for found in lines.values() for line in found]
        if not every:
            return
        path.write_bytes(b"\n".join(every) + b"\n")
        for event, rows in query_views(package, str(path), list(lines)):
            if isinstance(rows, Exception):
                yield event, f"view: {rows}"
            elif len(rows) != len(lines[event]):
                yield event, f"view: {len(rows)} rows for {len(lines[event])} lines"
            else:
                yield from _compare_rows(package, event, rows, lines[event])


def _compare_rows(
    package: Package, event: str, rows: list[dict[str, Any]], lines: list[dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    (declared,) = [one for one in package.contract.events if one.name == event]
    for value in declared.fields:
        for row, line in zip(rows, lines, strict=True):
            written = line["payload"].get(value.wire)
            if (
                value.name in row
                and (row[value.name] is None) != (written is None)
                and value.wire in line["payload"]
            ):
                yield event, f"view: {value.name} is {row[value.name]!r} for {written!r}"
