"""The cells of tables in the reference: each function describes one aspect of a value in Markdown."""

import json
from collections.abc import Iterable

from ...contract.model import (
    EnumType,
    Event,
    Field,
    FromCaller,
    FromContext,
    FromSource,
    Record,
    RecordType,
    Value,
)
from ...contract.nodes import Bounds
from ...contract.users import Users
from .quoting import Markdown, code, join, link, span, text

NOTHING = Markdown("")


def explain(doc: str, deprecated: str | None) -> Markdown:
    """Return a description; for something deprecated, it starts with the reason."""
    if deprecated is None:
        return text(doc)
    return code("**Deprecated:** $why $doc", why=text(deprecated), doc=text(doc))


def name_keys(value: Value) -> Markdown:
    """Return the keys on the wire, if they are not only the name of the value."""
    keys = [] if value.wire == value.name else [span(value.wire)]
    if value.aliases:
        keys.append(code("formerly $old", old=join(", ", [span(one) for one in value.aliases])))
    return join(", ", keys)


def name_type(value: Value) -> Markdown:
    """Return the type; that of an enum or record links to its section."""
    inner = value.innermost
    is_ours = isinstance(inner, EnumType | RecordType)
    named = link(str(value.type), str(inner).lower()) if is_ours else span(str(value.type))
    return code("$type or null", type=named) if value.nullable else named


def name_limits(value: Value) -> Markdown:
    """Return the constraints: range, length, pattern, and the treatment of NaN and infinities."""
    limits = []
    if value.range:
        limits.append(_name_bounds(value.range))
    if value.length:
        is_text = str(value.type) == "str"
        limits.append(_name_bounds(value.length, "character" if is_text else "item"))
    if value.pattern:
        limits.append(span(value.pattern))
    if value.nonfinite != "error":
        limits.append(
            text("or NaN, ±Infinity" if value.nonfinite == "string" else "NaN becomes null")
        )
    return join("; ", [one for one in limits if one])


def _name_bounds(bounds: Bounds, unit: str = "") -> Markdown:
    low, high = bounds.low, bounds.high
    plural = unit if high == 1 else f"{unit}s"
    noun = f" {plural}" if unit else ""
    if low is not None and high is not None:
        return text(f"{low} to {high}{noun}" if low != high else f"{low}{noun}")
    if low is not None:
        return text(f"{low} or more{noun}" if unit else f"from {low}")
    return text(f"up to {high}{noun}") if high is not None else NOTHING


def name_defaults(value: Value) -> Markdown:
    """Return the default of the constructor, and the value that readers use when the key is missing."""
    parts = []
    if value.default is not None:
        parts.append(_print_json(value.default.value))
    if value.missing is not None:
        parts.append(code("$value when missing", value=_print_json(value.missing.value)))
    return join("; ", parts)


def _print_json(plain: object) -> Markdown:
    return span(json.dumps(plain, ensure_ascii=False))


def name_capture(value: Field) -> Markdown:
    """Return where and when a helper takes the value of a field."""
    match value.capture:
        case FromCaller():
            parts = [text("argument")]
        case FromContext():
            parts = [text("context")]
        case FromSource(attribute, guard):
            parts = [span(f"source.{attribute}")]
            if guard:
                parts.append(code("while $guard", guard=span(f"source.{guard}")))
    parts += [text(one) for one in (value.phase, value.reduce) if one]
    return join(", ", parts)


class NamedUsers:
    """The modules that emit events and read fields, named relative to the package that the generated one is in."""

    def __init__(self, users: Users, package: str) -> None:
        self._users = users
        self._prefix = package.partition(".")[0] + "."

    def emitters(self, event: Event) -> Markdown:
        """Return the modules that emit an event; empty if no such module is known."""
        return self._name(self._users.emitters.get(event.name, ()))

    def readers(self, owner: Event | Record) -> dict[str, Markdown]:
        """Return the modules that read each field, by the name of the field."""
        named = {}
        for value in owner.fields:
            is_context = isinstance(value, Field) and isinstance(value.capture, FromContext)
            place = "context" if is_context else owner.name
            named[value.name] = self._name(self._users.readers.get(f"{place}.{value.name}", ()))
        return named

    def _name(self, modules: Iterable[str]) -> Markdown:
        return join(", ", [span(one.removeprefix(self._prefix)) for one in modules])
