"""Finds out who is really broken by a change: runs readers on records, and old callers on the new package."""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum as PythonEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.compat_campaign.packages import Package, query_views
from benchmarks.compat_campaign.records import (
    encode,
    lines_of,
    values_of,
)
from codegen.contract.model import (
    Enum,
    EnumType,
    Event,
    Field,
    FromContext,
    FromSource,
    ListType,
    MapType,
    Primitive,
    RecordType,
    Type,
    Value,
)
from codegen.contract.promises import Step
from codegen.contract.wire_paths import walk_leaves

LINE = "envelope"
"""The subject of what concerns every line."""
_NONFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass
class Shown:
    """What was shown to be broken: for each subject, the first proof. Subjects are old names of events, records, enums."""

    proofs: dict[str, str] = field(default_factory=dict)

    def add(self, subject: str, proof: str) -> None:
        """Keep a proof, unless the subject has one."""
        self.proofs.setdefault(subject, proof[:300])


@dataclass(frozen=True)
class Pairing:
    """Which new event continues which old one, and the pairs of fields in it, by the names that the edits gave them."""

    events: Mapping[str, str]
    """New names by old names."""


class ReaderError(AssertionError):
    """The readers of one contract disagree among themselves, or refuse their own records."""


def show_backward(old: Package, new: Package, pairing: Pairing) -> Shown:
    """Run the new readers on records that the old ones accept."""
    shown = Shown()
    for event in old.contract.events:
        for line in lines_of(old.contract, event, is_accepted=True):
            data = encode(line)
            before = _decode(old, data)
            if isinstance(before, Exception):
                raise ReaderError(f"{data!r}: its own reader refuses it: {before}")
            after = _decode(new, data)
            _check_readers_agree(new, data, after)
            if isinstance(after, Exception) and _is_of_envelope(new, after):
                shown.add(LINE, f"{data.decode()}: {after}")
                # The payload is looked at as well, on a line that the new readers accept.
                kept = {key: line[key] for key in ("event", "v", "payload")}
                after = _decode(new, encode({**line_keys(new), **kept}))
            if isinstance(after, Exception):
                shown.add(event.name, f"{data.decode()}: {after}")
            elif type(after[1]).EVENT not in (pairing.events.get(event.name), event.name):
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
        name = pairing.events.get(event.name)
        found = [one for one in new.contract.events if one.name == name]
        for line in lines_of(new.contract, found[0], is_accepted=False) if found else ():
            data = encode(line)
            problem = _refusal(old, event.name, data)
            if problem:
                subject = LINE if problem.startswith("line.") else event.name
                shown.add(subject, f"{data.decode()}: {problem}")
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
            before = _decode(old, encode(line))
            after = _decode(new, encode(line))
            bare = _decode(new, encode({**line, "payload": _without(line["payload"], gone)}))
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


def _decode(package: Package, data: bytes) -> Any:
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


def show_source(old: Package, new: Package, pairing: Pairing) -> Shown:
    """Run code that was written for the old package with the new one."""
    shown = Shown()
    for name in old.root.__all__:
        subject = _subject_of(old, name)
        home = _home_of(old, name)
        module = new.module(home) if home else new.root
        if not hasattr(new.root, name) or module is None or not hasattr(module, name):
            shown.add(subject, f"{home}.{name} cannot be imported")
    for enum in old.contract.enums:
        _show_enum(enum, new, shown)
    for record in old.contract.records:
        cls = getattr(new.root, record.name, None)
        if cls is not None:
            _call_with(record.name, record.fields, cls, old, new, shown)
    _show_context(old, new, shown)
    for event in old.contract.events:
        if event.retired is None:
            _emit(event, old, new, shown)
        _show_attributes(event, old, new, pairing, shown)
    return shown


def _subject_of(package: Package, name: str) -> str:
    for event in package.contract.events:
        if name in (event.payload, event.source, f"emit_{event.name.lower()}"):
            return event.name
    return name


def _home_of(package: Package, name: str) -> str:
    module = getattr(getattr(package.root, name), "__module__", None)
    return str(module).rpartition(".")[2] if str(module).startswith(f"{package.name}.") else ""


def _show_enum(enum: Enum, new: Package, shown: Shown) -> None:
    cls = getattr(new.root, enum.name, None)
    for member in enum.members if cls is not None else ():
        found = cls.__members__.get(member.name)
        if found is None or found.value != member.value:
            shown.add(enum.name, f"{enum.name}.{member.name} is {found!r}")


def _show_context(old: Package, new: Package, shown: Shown) -> None:
    for keys in ({}, {one.name: _python_values(one, new)[0] for one in old.contract.context}):
        error = _try(lambda k=keys: new.root.Context(**k))
        if error:
            shown.add("context", error)
    _call_with(
        LINE,
        tuple(one for one in old.contract.envelope.fields if one.name != "v"),
        new.root.make_envelope,
        old,
        new,
        shown,
    )


def _call_with(
    subject: str,
    fields: tuple[Value, ...],
    call: Callable[..., Any],
    old: Package,
    new: Package,
    shown: Shown,
) -> None:
    """Call a constructor with all values that the old fields allow, and without those that have a default."""
    try:
        columns = {one.name: _python_values(one, new) for one in fields if one.name != "event"}
    except AttributeError:
        # A class has another name, which is a break of that class.
        return
    if subject == LINE:
        columns["event"] = ["ALPHA"]
    for keys in _rows(columns):
        error = _try(lambda k=keys: call(**k))
        if error:
            shown.add(subject, error)
    needed = {one.name for one in fields if one.default is None}
    first = {name: column[0] for name, column in columns.items() if name in needed}
    error = _try(lambda: call(**first))
    if error:
        shown.add(subject, f"without defaults: {error}")


def _rows(columns: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    count = max((len(column) for column in columns.values()), default=1)
    for index in range(count):
        yield {name: column[index % len(column)] for name, column in columns.items()}


def _try(call: Callable[[], Any]) -> str:
    try:
        call()
    except (TypeError, ValueError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


class _Channel:
    """A channel that fails if a payload is rejected."""

    def __init__(self, context: Any) -> None:
        self.listening = True
        self.context = context

    def send(self, payload: Any) -> None:
        self.payload = payload

    def reject(self, event: str, error: Exception) -> None:
        raise error


def _emit(event: Event, old: Package, new: Package, shown: Shown) -> None:
    """Emit an event as old callers do: with old arguments, and a source that has the old attributes."""
    helper = getattr(new.root, f"emit_{event.name.lower()}", None)
    if helper is None:
        return
    try:
        columns = {one.name: _python_values(one, new) for one in event.fields}
        context = {one.name: _python_values(one, new)[0] for one in old.contract.context}
    except AttributeError:
        return
    sources = _source_attributes(old, event, new)
    for number, row in enumerate(_rows(columns)):
        for is_short in (False, True) if number == 0 else (False,):
            arguments = {
                one.name: row[one.name]
                for one in event.arguments
                if not (is_short and one.default is not None and not isinstance(one.type, MapType))
            }
            source = SimpleNamespace(**sources)
            for one in event.fields:
                if isinstance(one.capture, FromSource):
                    setattr(source, one.capture.attribute, row[one.name])
            bound = {
                one.name: row[one.name]
                for one in event.fields
                if isinstance(one.capture, FromContext)
            }
            given = [source] if event.source else []
            channel = _bind(new, {**context, **bound})
            error = _try(lambda c=channel, a=arguments, g=given: helper(c, *g, **a))
            if error:
                shown.add(event.name, error)


def _bind(new: Package, values: Mapping[str, Any]) -> _Channel:
    """Return a channel with the values that old callers bind, as far as the new context still has them."""
    known = {one.name for one in new.contract.context}
    return _Channel(
        new.root.Context(**{name: one for name, one in values.items() if name in known})
    )


def _source_attributes(old: Package, event: Event, new: Package) -> dict[str, Any]:
    """Return all attributes that the source of an event had in the old contract; guards are true."""
    found: dict[str, Any] = {}
    for other in old.contract.events:
        for one in other.fields if other.source == event.source else ():
            if isinstance(one.capture, FromSource):
                found[one.capture.attribute] = _python_values(one, new)[0]
                if one.capture.guard:
                    found[one.capture.guard] = True
    return found


def _show_attributes(
    event: Event, old: Package, new: Package, pairing: Pairing, shown: Shown
) -> None:
    """Read new records, and use the payload as code for the old version does."""
    name = pairing.events.get(event.name)
    found = [one for one in new.contract.events if one.name == name]
    for line in lines_of(new.contract, found[0], is_accepted=False) if found else ():
        read = _decode(new, encode(line))
        if isinstance(read, Exception):
            raise ReaderError(f"{encode(line)!r}: its own reader refuses it: {read}")
        for subject, fields, owner in (
            (event.name, event.fields, read[1]),
            (LINE, old.contract.envelope.fields, read[0]),
        ):
            problem = _misfit_of(fields, owner, new, subject)
            if problem:
                shown.add(*problem)


def _misfit_of(
    fields: tuple[Value, ...], owner: Any, new: Package, subject: str
) -> tuple[str, str] | None:
    for one in fields:
        if not hasattr(owner, one.name):
            return subject, f"{one.name} is gone"
        value = getattr(owner, one.name)
        if value is None and one.nullable:
            continue
        misfit = _misfit(one, one.type, value, new, subject)
        if misfit:
            return misfit
    return None


def _misfit(
    value: Value, type_: Type, found: Any, new: Package, subject: str
) -> tuple[str, str] | None:
    """Return the subject that breaks a reader of a value, and why; None if the value has the old type."""
    wrong = subject, f"{value.name} is {found!r}, not {type_}"
    match type_:
        case Primitive(name):
            expected = {"int": int, "float": float, "bool": bool, "str": str}[name]
            return None if type(found) is expected else wrong
        case EnumType(enum):
            if enum.open and isinstance(found, str):
                return None
            return None if isinstance(found, PythonEnum) else wrong
        case RecordType(record):
            if not hasattr(found, "__dataclass_fields__"):
                return wrong
            return _misfit_of(record.fields, found, new, record.name)
        case ListType(item):
            if not isinstance(found, tuple):
                return wrong
            misfits = (_misfit(value, item, one, new, subject) for one in found)
            return next((one for one in misfits if one), None)
        case MapType(item):
            if not isinstance(found, Mapping):
                return wrong
            misfits = (_misfit(value, item, one, new, subject) for one in found.values())
            return next((one for one in misfits if one), None)


def _python_values(value: Value, package: Package) -> list[Any]:
    """Return the values that callers may pass, made of the classes of a package."""
    found = [_to_python(value.type, value, plain, package) for plain in values_of(value)]
    is_float = value.innermost == Primitive("float") and value.type == Primitive("float")
    return [*found, math.nan] if is_float and value.nonfinite != "error" else found


def _to_python(type_: Type, value: Value, plain: Any, package: Package) -> Any:
    if plain is None:
        return None
    match type_:
        case EnumType(enum):
            known = {member.name for member in enum.members}
            return getattr(getattr(package.root, enum.name), plain) if plain in known else plain
        case RecordType(record):
            cls = getattr(package.root, record.name)
            keys = {
                one.name: _to_python(one.type, one, plain[one.wire], package)
                for one in record.fields
            }
            try:
                return cls(**keys)
            except (TypeError, ValueError):
                # The constructor of the record is broken, which is a break of the record.
                raise AttributeError(record.name) from None
        case ListType(item):
            return tuple(_to_python(item, value, one, package) for one in plain)
        case MapType(item):
            return {key: _to_python(item, value, one, package) for key, one in plain.items()}
        case Primitive("float"):
            return _NONFINITE.get(plain, plain) if isinstance(plain, str) else float(plain)
    return plain


def show_meaning(old: Package, new: Package, pairing: Pairing) -> Shown:
    """Compare what the contracts say about the meaning of values, which no reader can notice."""
    shown = Shown()
    after = {one.name: one for one in new.contract.events}
    for event in old.contract.events:
        other = after.get(pairing.events.get(event.name, ""))
        if other is None:
            continue
        is_revised = other.revision > event.revision and other.note != event.note
        if event.cadence != other.cadence:
            shown.add(event.name, "cadence")
        _compare_meaning(event.name, event.fields, other.fields, is_revised, new, shown)
    records = {one.name: one for one in new.contract.records}
    for record in old.contract.records:
        if record.name in records:
            _compare_meaning(
                record.name, record.fields, records[record.name].fields, False, new, shown
            )
    enums = {one.name: one for one in new.contract.enums}
    for enum in old.contract.enums:
        if enum.name in enums:
            _compare_members(enum, enums[enum.name], shown)
    before = {one.name for one in old.contract.envelope.fields}
    if before - {one.name for one in new.contract.envelope.fields}:
        shown.add(LINE, "a key is gone")
    return shown


def _compare_members(old: Enum, new: Enum, shown: Shown) -> None:
    numbers = {member.name: member.value for member in old.members}
    former = {member.value: member.name for member in old.reserved}
    for member in new.members:
        if numbers.get(member.name, member.value) != member.value:
            shown.add(old.name, f"number of {member.name}")
        if former.get(member.value, member.name) != member.name:
            shown.add(old.name, f"number of {member.name}, which was that of another member")


def _is_step(package: Package, name: str, is_cure: Callable[[Step], bool]) -> bool:
    """Return whether upcasts have such a step for a key, for every event that needs one."""
    steps = [
        step
        for upcast in package.contract.upcasts
        for event in upcast.events
        for step in event.steps
        if step.path.rpartition(".")[2] == name
    ]
    places = sum(
        path == name or path.endswith(f".{name}")
        for event in package.contract.events
        for path, _ in walk_leaves(event.fields)
    )
    return len([one for one in steps if is_cure(one)]) == places


def _compare_meaning(
    subject: str,
    old: tuple[Value, ...],
    new: tuple[Value, ...],
    is_revised: bool,
    package: Package,
    shown: Shown,
) -> None:
    after = {one.name: one for one in new}
    for one in old:
        other = after.get(one.name)
        if other is None:
            if isinstance(one, Field) and isinstance(one.capture, FromContext):
                shown.add(subject, f"{one.name} no longer identifies it")
            continue
        numbers = {Primitive("int"), Primitive("float")}
        if one.unit != other.unit and {one.innermost, other.innermost} <= numbers:
            if not _is_step(package, one.name, lambda step: step.convert is not None):
                shown.add(subject, f"unit of {one.name}")
        if one.missing and other.missing and one.missing != other.missing:
            if not _is_step(package, one.name, lambda step, old=one.missing: step.fill == old):
                shown.add(subject, f"value of a missing {one.name}")
        if one.default and other.default and one.default != other.default and not is_revised:
            shown.add(subject, f"default of {one.name}")
        if isinstance(one, Field) and isinstance(other, Field) and not is_revised:
            captures = (one.capture, one.phase, one.reduce), (
                other.capture,
                other.phase,
                other.reduce,
            )
            if captures[0] != captures[1]:
                shown.add(subject, f"capture of {one.name}")
