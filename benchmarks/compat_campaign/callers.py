"""Finds out which callers are really broken by a change: runs code for the old package with the new one."""

import math
from collections.abc import Callable, Iterator, Mapping
from enum import Enum as PythonEnum
from types import FunctionType, SimpleNamespace
from typing import Any

from benchmarks.compat_campaign.judges import LINE, Pairing, ReaderError, Shown, decode
from benchmarks.compat_campaign.packages import Package
from benchmarks.compat_campaign.records import (
    encode,
    lines_of,
    values_of,
)
from codegen.contract.model import (
    Enum,
    EnumType,
    Event,
    FromContext,
    FromSource,
    ListType,
    MapType,
    Primitive,
    RecordType,
    Type,
    Value,
)

_NONFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


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
    value = getattr(package.root, name)
    # Not a mapping of the registry, whose class is defined elsewhere.
    module = value.__module__ if isinstance(value, type | FunctionType) else ""
    return module.rpartition(".")[2] if module.startswith(f"{package.name}.") else ""


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
                if not (is_short and one.default is not None)
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
    name = pairing.get(event.name)
    found = [one for one in new.contract.events if one.name == name]
    for line in lines_of(new.contract, found[0], is_accepted=False) if found else ():
        read = decode(new, encode(line))
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
        case EnumType():
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
            return getattr(getattr(package.root, enum.name), plain)
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
