"""Rules about the meaning of a field's values, and the values that it allows."""

import json
from collections.abc import Iterator

from ...contract.model import Field, FromCaller, FromContext, FromSource, Primitive, Value
from ...contract.nodes import OPEN, Bounds, Given
from ...contract.wire_paths import join_path
from ..impact import NO_IMPACT, WIRE_AND_SOURCE, Impact
from ..pairs import FieldPair
from ..reading import Problem
from ..readings import Verdict
from ..rule import Change, Rule
from ..skeletons import clamp, fill, replace_texts, scale
from ..text_sets import TextSet, includes
from ..type_changes import compare_types

_NONFINITE = ("NaN", "Infinity", "-Infinity")


def _find_default(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old.default, pair.new.default
    if old and new and old != new:
        description = f"{_format_value(old)} -> {_format_value(new)}"
        yield pair.make_change("default", description, impact=Impact.SEM)


def _find_missing(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old.missing, pair.new.missing
    if old and new and old != new:
        unfilled = [
            place
            for place, step in zip(pair.owner.paths, pair.steps, strict=True)
            if step is None or step.fill != old
        ]
        claims = {
            (place.event, "old", Problem(join_path(place.path, pair.new.wire), "value"))
            for place in unfilled
            if Impact.WIRE_B in place.protected
        }
        resolved = NO_IMPACT
        if pair.steps:
            resolved |= NO_IMPACT if claims else Impact.WIRE_B
            resolved |= NO_IMPACT if unfilled else Impact.SEM
        verdict = Verdict(Impact.WIRE_B | Impact.SEM, resolved, frozenset(claims))
        yield pair.make_change(
            "missing",
            f"{_format_value(old)} -> {_format_value(new)}",
            verdict=verdict,
            step=(
                fill(pair.new, old) if compare_types(pair.old.type, pair.new.type) == "same" else ""
            ),
        )


def _find_unit(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old.unit, pair.new.unit
    if old != new and _is_comparable(pair):
        steps = pair.steps
        is_converted = bool(steps) and all(step and step.convert for step in steps)
        yield pair.make_change(
            "unit",
            f"{old or 'no unit'} -> {new or 'no unit'}",
            impact=Impact.SEM,
            resolved=Impact.SEM if is_converted else NO_IMPACT,
            step=scale(pair.new),
        )


def _find_capture(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old, pair.new
    if not isinstance(old, Field) or not isinstance(new, Field):
        return
    if old.capture != new.capture:
        is_refused = isinstance(old.capture, FromCaller)
        is_required = isinstance(new.capture, FromCaller) and new.default is None
        is_break = is_refused or is_required or pair.owner.needs_attributes(new)
        impact = Impact.SEM | Impact.SOURCE if is_break else Impact.SEM
        yield pair.make_change("from", f"{_describe(old)} -> {_describe(new)}", impact=impact)
    for key, before, after in (("phase", old.phase, new.phase), ("reduce", old.reduce, new.reduce)):
        if before != after:
            description = f"{key}: {before or 'not given'} -> {after or 'not given'}"
            yield pair.make_change(key, description, impact=Impact.SEM)


def _find_tightened(pair: FieldPair) -> Iterator[Change]:
    if not _is_comparable(pair):
        return
    for key, old, new in _bounds_of(pair):
        if not _is_within(old, new):
            verdict = pair.judge("range" if key == "range" else "length").backward
            yield pair.make_change(
                key,
                f"{key}: {_format_bounds(old)} -> {_format_bounds(new)}",
                impact=Impact.SOURCE if key in pair.lost else NO_IMPACT,
                verdict=verdict,
                step=clamp(pair.new) if key == "range" else "",
            )
    if _is_new_pattern(pair) and not _has_all_texts(pair.new, pair.old):
        verdict = pair.judge("text").backward
        yield pair.make_change(
            "pattern",
            _describe_pattern(pair),
            impact=Impact.SOURCE if "text" in pair.lost else NO_IMPACT,
            verdict=verdict,
        )


def _find_loosened(pair: FieldPair) -> Iterator[Change]:
    if not _is_comparable(pair):
        return
    for key, old, new in _bounds_of(pair):
        if not _is_within(new, old):
            description = f"{key}: {_format_bounds(old)} -> {_format_bounds(new)}"
            verdict = pair.judge("range" if key == "range" else "length").forward
            yield pair.make_change(key, description, verdict=verdict)
    if _is_new_pattern(pair) and not _has_all_texts(pair.old, pair.new):
        verdict = pair.judge("text").forward
        yield pair.make_change("pattern", _describe_pattern(pair), verdict=verdict)


def _find_nonfinite(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old.nonfinite, pair.new.nonfinite
    if old != new and _is_comparable(pair):
        # Callers may pass NaN unless it is an error.
        yield pair.make_change(
            "nonfinite",
            f"{old} -> {new}",
            impact=Impact.SOURCE if new == "error" else NO_IMPACT,
            verdict=pair.judge("type", "text"),
            step=replace_texts(pair.new, _NONFINITE) if old == "string" else "",
        )


def _is_comparable(pair: FieldPair) -> bool:
    """Return whether old and new values can be compared; if not, the rules about types report the change."""
    return pair.type_change not in ("changed", "cardinality")


def _is_new_pattern(pair: FieldPair) -> bool:
    text = Primitive("str")
    is_text = pair.old.innermost == text and pair.new.innermost == text
    return is_text and pair.old.pattern != pair.new.pattern


def _has_all_texts(outer: Value, inner: Value) -> bool:
    """Return whether the pattern of `outer` allows all texts that that of `inner` does."""
    return includes((TextSet(outer.pattern),), (TextSet(inner.pattern),))


def _describe_pattern(pair: FieldPair) -> str:
    return f"pattern: {pair.old.pattern or 'not given'} -> {pair.new.pattern or 'not given'}"


def _bounds_of(pair: FieldPair) -> Iterator[tuple[str, Bounds, Bounds]]:
    yield "range", pair.old.range or OPEN, pair.new.range or OPEN
    yield "length", pair.old.length or OPEN, pair.new.length or OPEN


def _is_within(inner: Bounds, outer: Bounds) -> bool:
    is_low = outer.low is None or (inner.low is not None and inner.low >= outer.low)
    is_high = outer.high is None or (inner.high is not None and inner.high <= outer.high)
    return is_low and is_high


def _format_bounds(bounds: Bounds) -> str:
    low, high = ("" if one is None else str(one) for one in (bounds.low, bounds.high))
    return f"[{low}, {high}]" if low or high else "open"


def _format_value(given: Given) -> str:
    return given.value if isinstance(given.value, str) else json.dumps(given.value)


def _describe(value: Field) -> str:
    match value.capture:
        case FromSource(attribute, None):
            return f"from {attribute}"
        case FromSource(attribute, guard):
            return f"from {attribute} when {guard}"
        case FromContext():
            return "from the context"
        case FromCaller():
            return "an argument"


RULES: tuple[Rule[FieldPair], ...] = (
    Rule(
        id="FLD030",
        name="DEFAULT_CHANGED",
        find=_find_default,
        impact=Impact.SEM,
        why="callers who pass no value would emit another one",
        resolved_by_revision=Impact.SEM,
        resolved_by_major=Impact.SEM,
    ),
    Rule(
        id="FLD031",
        name="MISSING_FILL_CHANGED",
        find=_find_missing,
        impact=Impact.WIRE_B | Impact.SEM,
        why="the same old records would get another meaning",
        resolved_by_upcast=Impact.WIRE_B | Impact.SEM,
    ),
    Rule(
        id="FLD032",
        name="UNIT_CHANGED",
        find=_find_unit,
        impact=Impact.SEM,
        why="old and new numbers would be mixed in comparisons and averages",
        remedies=("add a field with the new unit, and deprecate this one",),
        resolved_by_upcast=Impact.SEM,
    ),
    Rule(
        id="FLD033",
        name="CAPTURE_CHANGED",
        find=_find_capture,
        impact=Impact.SEM | Impact.SOURCE,
        why="the value is captured from another place or at another time, or reduced in another way",
        resolved_by_revision=Impact.SEM,
        resolved_by_major=Impact.SOURCE,
    ),
    Rule(
        id="FLD034",
        name="RANGE_TIGHTENED",
        find=_find_tightened,
        impact=Impact.WIRE_B | Impact.SOURCE,
        why="some values of old records and callers are no longer allowed",
        remedies=("add a field with the new limits, and deprecate this one",),
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.SOURCE,
    ),
    Rule(
        id="FLD035",
        name="RANGE_LOOSENED",
        find=_find_loosened,
        impact=Impact.WIRE_F,
        why="old readers refuse some new values",
        resolved_by_major=Impact.WIRE_F,
        bump="minor",
    ),
    Rule(
        id="FLD036",
        name="NONFINITE_POLICY_CHANGED",
        find=_find_nonfinite,
        impact=WIRE_AND_SOURCE,
        why="NaN and infinities are encoded in another way, or no longer allowed",
        resolved_by_upcast=Impact.WIRE_B,
        resolved_by_major=Impact.WIRE_F | Impact.SOURCE,
        bump="minor",
    ),
)
"""Rules about a field that both contracts have: the meaning and the limits of its values."""
