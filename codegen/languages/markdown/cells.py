"""What the reference says of a value, column by column."""

import json

from ...contract.model import (
    EnumType,
    Field,
    FromCaller,
    FromContext,
    FromSource,
    RecordType,
    Value,
)
from ...contract.nodes import Bounds
from .quoting import Markdown, code, join, link, span, text

NOTHING = Markdown("")


def explain(doc: str, deprecated: str | None) -> Markdown:
    """Say what something means, and first of all that it should no longer be used."""
    if deprecated is None:
        return text(doc)
    return code("**Deprecated:** $why $doc", why=text(deprecated), doc=text(doc))


def name_keys(value: Value) -> Markdown:
    """Name the keys on a line, where these are not the name alone."""
    keys = [] if value.wire == value.name else [span(value.wire)]
    if value.aliases:
        keys.append(code("once $old", old=join(", ", [span(one) for one in value.aliases])))
    return join(", ", keys)


def name_type(value: Value) -> Markdown:
    """Name the type, with a link to what the contract says of it."""
    inner = value.innermost
    is_ours = isinstance(inner, EnumType | RecordType)
    named = link(str(value.type), str(inner).lower()) if is_ours else span(str(value.type))
    return code("$type or null", type=named) if value.nullable else named


def name_limits(value: Value) -> Markdown:
    """Name what a value keeps to."""
    limits = []
    if value.range:
        limits.append(_name_bounds(value.range, ""))
    if value.length:
        is_text = str(value.type) == "str"
        limits.append(_name_bounds(value.length, " characters" if is_text else " items"))
    if value.pattern:
        limits.append(span(value.pattern))
    if value.nonfinite != "error":
        limits.append(
            text("or NaN, ±Infinity" if value.nonfinite == "string" else "NaN becomes null")
        )
    return join("; ", [one for one in limits if one])


def _name_bounds(bounds: Bounds, what: str) -> Markdown:
    low, high = bounds.low, bounds.high
    if low is not None and high is not None:
        return text(f"{low} to {high}{what}" if low != high else f"{low}{what}")
    if low is not None:
        return text(f"{low} or more{what}" if what else f"from {low}")
    return text(f"up to {high}{what}") if high is not None else NOTHING


def name_defaults(value: Value) -> Markdown:
    """Name what is put in for a value."""
    said = []
    if value.default is not None:
        said.append(_name_plain(value.default.value))
    if value.missing is not None:
        said.append(code("$value when missing", value=_name_plain(value.missing.value)))
    return join("; ", said)


def _name_plain(plain: object) -> Markdown:
    """Print a value as JSON would have it."""
    return span(json.dumps(plain, ensure_ascii=False))


def name_capture(value: Field) -> Markdown:
    """Name where a value comes from, and when."""
    match value.capture:
        case FromCaller():
            said = [text("argument")]
        case FromContext():
            said = [text("context")]
        case FromSource(attribute, guard):
            said = [span(f"source.{attribute}")]
            if guard:
                said.append(code("while $guard", guard=span(f"source.{guard}")))
    said += [text(one) for one in (value.phase, value.reduce) if one]
    return join(", ", said)
