"""Binds located values to the classes of `spec`, and adds a finding for everything that does not fit."""

import types
from collections.abc import Iterator
from collections.abc import Mapping as Names
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..diagnostics.findings import Findings, Span
from ..diagnostics.similar import suggest
from .forms import NAME, PATH, VERSION, WIRE_NAME, Form
from .hints import hint_for_text
from .load import Entry, Mapping, Scalar, Sequence, Value
from .nodes import Bounds, Given, Key, Node
from .scalars import read_plain

_NodeType = TypeVar("_NodeType", bound=Node)
_ABSENT: Any = object()
_NODE_FIELDS = {"name", "span", "spans"}
# Where such a text is expected, words like n and off can only be names.
_NAMES = (NAME, PATH, WIRE_NAME)
_TYPE_WORDS = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}


@dataclass(frozen=True, slots=True)
class BoundKey:
    """A key of a node class: its name in the file, its attribute, and the type of its value."""

    name: str
    attribute: str
    annotation: Any
    declared: Key
    is_required: bool


@cache
def keys_of(cls: type[Node]) -> Names[str, BoundKey]:
    """Return the keys of a node class, by their names in the file."""
    hints = get_type_hints(cls, include_extras=True)
    keys = [
        _describe(field, hints[field.name])
        for field in fields(cls)
        if field.name not in _NODE_FIELDS
    ]
    return {key.name: key for key in keys}


def _describe(field: "Field[Any]", hint: Any) -> BoundKey:
    annotation, declared = get_args(hint)
    return BoundKey(
        name=field.name.removesuffix("_"),
        attribute=field.name,
        annotation=unwrap_optional(annotation),
        declared=declared,
        is_required=field.default is MISSING,
    )


def unwrap_optional(annotation: Any) -> Any:
    """Return T for T | None, and any other annotation unchanged."""
    if get_origin(annotation) in (types.UnionType, Union):
        rest = [arg for arg in get_args(annotation) if arg is not types.NoneType]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


class Binder:
    """Binds values to node classes; a value that does not fit is left out, and its name is added to `broken`."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.broken: set[str] = set()

    def bind(
        self, cls: type[_NodeType], value: Value, name: str = "", span: Span | None = None
    ) -> _NodeType | None:
        """Return `value` as a `cls`; None, with findings, if a required key is missing or wrong.

        `span` is the place of the name of a named mapping; any other mapping is placed where it begins.
        """
        if not isinstance(value, Mapping):
            self._findings.add(value.span, "FORM001", f"{name or 'this'} must be a mapping of keys")
            return None
        keys = keys_of(cls)  # type: ignore[arg-type]  # a class is hashable
        bound: dict[str, Any] = {}
        for entry in value.entries:
            key = keys.get(entry.key)
            if key is None:
                self._refuse_key(entry, keys)
                continue
            item = self._read(key, entry)
            if item is not _ABSENT:
                bound[key.attribute] = item
        place = span or value.span
        self._find_missing(keys, value, name, place)
        if any(key.is_required and key.attribute not in bound for key in keys.values()):
            return None
        return cls(name=name, span=place, spans=dict(_places(value)), **bound)

    def _refuse_key(self, entry: Entry, keys: Names[str, BoundKey]) -> None:
        hint = suggest(entry.key, keys) or f"the keys here are: {', '.join(keys)}"
        if " " in entry.key:
            hint = "quote a text that contains a comma"
        self._findings.add(entry.span, "FORM002", f'unknown key "{entry.key}"', hint)

    def _find_missing(
        self, keys: Names[str, BoundKey], value: Mapping, name: str, place: Span
    ) -> None:
        given = {entry.key for entry in value.entries}
        for key in keys.values():
            if key.is_required and key.name not in given:
                owner = f"{name} lacks" if name else "the contract lacks"
                self._findings.add(place, "FORM003", f'{owner} "{key.name}": {key.declared.doc}')

    def _read(self, key: BoundKey, entry: Entry) -> Any:
        annotation, value = key.annotation, entry.value
        if annotation in (Given, Bounds):
            self._refuse_doubtful(value)
        if annotation is Given:
            return Given(to_plain(value))
        if annotation is Bounds:
            return self._read_bounds(entry)
        if isinstance(annotation, type) and issubclass(annotation, Node):
            node = self.bind(annotation, value, entry.key)
            return _ABSENT if node is None else node
        if get_origin(annotation) is tuple:
            item = get_args(annotation)[0]
            if item is str:
                return self._read_list(key, entry)
            return self._read_named(item, key, entry)
        if get_origin(annotation) is Literal:
            return self._read_choice(get_args(annotation), entry)
        return self._read_scalar(annotation, key.declared.form, entry.key, value)

    def _read_named(self, cls: type[Node], key: BoundKey, entry: Entry) -> Any:
        if not isinstance(entry.value, Mapping):
            self._findings.add(
                entry.value.span, "FORM001", f"{entry.key} must be a mapping of names"
            )
            return _ABSENT
        nodes = []
        for item in entry.value.entries:
            if key.declared.names is not None and not key.declared.names.fits(item.key):
                is_field = key.name == "fields"
                self._refuse_text(item.span, "this name", key.declared.names, item.key, is_field)
                self.broken.add(item.key)
                continue
            node = self.bind(cls, item.value, item.key, item.span)
            if node is None:
                self.broken.add(item.key)
            else:
                nodes.append(node)
        return tuple(nodes)

    def _read_list(self, key: BoundKey, entry: Entry) -> Any:
        if not isinstance(entry.value, Sequence):
            self._findings.add(entry.value.span, "FORM001", f"{entry.key} must be a list")
            return _ABSENT
        items = [
            self._read_scalar(str, key.declared.form, entry.key, item) for item in entry.value.items
        ]
        return tuple(item for item in items if item is not _ABSENT)

    def _read_choice(self, choices: tuple[str, ...], entry: Entry) -> Any:
        value = to_plain(entry.value)
        if value in choices:
            return value
        self._refuse_doubtful(entry.value)
        hint = suggest(str(value), choices)
        message = f"{entry.key} must be one of {', '.join(choices)}, got {quote(value)}"
        self._findings.add(entry.value.span, "FORM004", message, hint)
        return _ABSENT

    def _read_bounds(self, entry: Entry) -> Any:
        value = to_plain(entry.value)
        if isinstance(value, list) and len(value) == 2 and all(_is_bound(item) for item in value):
            return Bounds(*value)
        message = f"{entry.key} must be [least, greatest], numbers or null, got {quote(value)}"
        self._findings.add(entry.value.span, "FORM004", message)
        return _ABSENT

    def _read_scalar(self, cls: type, form: Form | None, name: str, value: Value) -> Any:
        plain = to_plain(value)
        if cls is not str or form not in _NAMES:
            self._refuse_doubtful(value)
        if cls is float and type(plain) is int:
            plain = float(plain)
        if type(plain) is not cls:
            message = f"{name} must be {_TYPE_WORDS[cls]}, got {quote(plain)}"
            hint = hint_for_text(form, str(plain)) if form is VERSION else ""
            self._findings.add(value.span, "FORM004", message, hint)
            return _ABSENT
        if form is not None and isinstance(plain, str) and not form.fits(plain):
            self._refuse_text(value.span, name, form, plain)
            return _ABSENT
        return plain

    def _refuse_doubtful(self, value: Value) -> None:
        """Add a finding for each unquoted word in `value` that could be meant as true, false or null."""
        if isinstance(value, Scalar) and value.is_doubtful:
            read_plain(str(value.value), value.span, self._findings)
        elif isinstance(value, Sequence):
            for item in value.items:
                self._refuse_doubtful(item)
        elif isinstance(value, Mapping):
            for entry in value.entries:
                self._refuse_doubtful(entry.value)

    def _refuse_text(
        self, span: Span, name: str, form: Form, text: str, is_field: bool = False
    ) -> None:
        message = f"{name} must be {form.words} of at most {form.max_length} characters, got {quote(text)}"
        hint = hint_for_text(form, text, is_field=is_field)
        self._findings.add(span, "FORM005", message, hint)


def to_plain(value: Value) -> Any:
    """Return a value without places: as Python scalars, lists and dicts."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, Sequence):
        return [to_plain(item) for item in value.items]
    return {entry.key: to_plain(entry.value) for entry in value.entries}


def quote(value: object) -> str:
    """Return a value for a message, as it would be written in the file, at most 60 characters long."""
    words: dict[object, str] = {True: "true", False: "false", None: "null"}
    if value is None or isinstance(value, bool):
        return words[value]
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _places(value: Mapping) -> Iterator[tuple[str, Span]]:
    """Yield the place of the value of each key, and of each item if it is a list."""
    for entry in value.entries:
        yield entry.key, entry.value.span
        if isinstance(entry.value, Sequence):
            for index, item in enumerate(entry.value.items):
                yield f"{entry.key}[{index}]", item.span


def _is_bound(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
