"""Paths in payloads: keys on the wire, with [] for every item of a list and {} for every value of a map."""

import re
from collections.abc import Iterable, Iterator

from .model import ListType, MapType, Record, RecordType, Type, Value


def join_path(prefix: str, key: str) -> str:
    """Return the path of a key in the object at `prefix`; the path of the payload itself is empty."""
    return f"{prefix}.{key}" if prefix else key


def objects_of(path: str) -> str:
    """Return the part of a path up to its last bracket; a step of an upcast stays within one item of a list or map."""
    return re.sub(r"[^\]}]*$", "", path)


def is_inside(path: str, parent: str) -> bool:
    """Return whether a path is `parent`, or leads to a value inside it."""
    return path == parent or path.startswith((f"{parent}.", f"{parent}[", f"{parent}{{"))


def have_common(one: str, other: str) -> bool:
    """Return whether one of two paths is inside the other."""
    return is_inside(one, other) or is_inside(other, one)


def brackets(type_: Type) -> str:
    """Return [] for each list and {} for each map around the innermost type, the outermost first."""
    text = ""
    while isinstance(type_, ListType | MapType):
        text += "[]" if isinstance(type_, ListType) else "{}"
        type_ = type_.item
    return text


def walk_records(fields: Iterable[Value], prefix: str = "") -> Iterator[tuple[str, Record]]:
    """Yield the records in a payload with their paths, an outer record before its inner ones."""
    for value in fields:
        inner = value.innermost
        if isinstance(inner, RecordType):
            path = join_path(prefix, value.wire) + brackets(value.type)
            yield path, inner.record
            yield from walk_records(inner.record.fields, path)


def walk_leaves(fields: Iterable[Value], prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield the values of a payload that are not records, with their paths."""
    for value in fields:
        inner = value.innermost
        path = join_path(prefix, value.wire)
        if isinstance(inner, RecordType):
            yield from walk_leaves(inner.record.fields, path + brackets(value.type))
        else:
            yield path, value
