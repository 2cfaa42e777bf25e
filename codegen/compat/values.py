"""Rules about what the values of a field mean, and which ones it takes."""

from collections.abc import Iterator

from ..contract.model import Field, FromCaller, FromContext, FromSource
from ..contract.nodes import Bounds, Given
from .impact import NOTHING, Break
from .kinds import compare_types
from .owners import FieldPair
from .rule import Change, Rule

_OPEN = Bounds(None, None)


def _find_default(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old.default, pair.new.default
    if old and new and old != new:
        yield pair.see("default", f"{_show(old)} -> {_show(new)}")


def _find_missing(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old.missing, pair.new.missing
    if old and new and old != new:
        step = f"{{fill: {_show(old)}}}"
        yield pair.see("missing", f"{_show(old)} -> {_show(new)}", step=step)


def _find_unit(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old.unit, pair.new.unit
    if old != new and _is_comparable(pair):
        step = f"{{convert: {pair.old.wire}, factor: ...}}"
        yield pair.see("unit", f"{old or 'none'} -> {new or 'none'}", step=step)


def _find_capture(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old, pair.new
    if not isinstance(old, Field) or not isinstance(new, Field):
        return
    if old.capture != new.capture:
        kinds = {type(old.capture), type(new.capture)}
        is_argument = FromCaller in kinds and len(kinds) > 1
        breaks = Break.SEM | Break.SOURCE if is_argument else Break.SEM
        yield pair.see("from", f"{_describe(old)} -> {_describe(new)}", breaks=breaks)
    for key, before, after in (("phase", old.phase, new.phase), ("reduce", old.reduce, new.reduce)):
        if before != after:
            what = f"{key}: {before or 'unsaid'} -> {after or 'unsaid'}"
            yield pair.see(key, what, breaks=Break.SEM)


def _find_tightened(pair: FieldPair) -> Iterator[Change]:
    if not _is_comparable(pair):
        return
    for key, old, new in _limits(pair):
        if not _is_within(old, new):
            step = f"{{convert: {pair.old.wire}, clamp: ...}}"
            yield pair.see(key, f"{key}: {_spell(old)} -> {_spell(new)}", step=step)
    if pair.new.pattern is not None and pair.old.pattern != pair.new.pattern:
        what = f"pattern: {pair.old.pattern or 'none'} -> {pair.new.pattern}"
        yield pair.see("pattern", what, step=f"{{convert: {pair.old.wire}, values: ...}}")


def _find_loosened(pair: FieldPair) -> Iterator[Change]:
    if not _is_comparable(pair):
        return
    for key, old, new in _limits(pair):
        if not _is_within(new, old):
            yield pair.see(key, f"{key}: {_spell(old)} -> {_spell(new)}")
    if pair.old.pattern is not None and pair.new.pattern is None:
        yield pair.see("type", f"pattern: {pair.old.pattern} -> none")


def _find_nonfinite(pair: FieldPair) -> Iterator[Change]:
    old, new = pair.old.nonfinite, pair.new.nonfinite
    if old != new and _is_comparable(pair):
        breaks = NOTHING
        if old != "error":
            breaks |= Break.WIRE_B
        if new != "error":
            breaks |= Break.WIRE_F
        step = f"{{convert: {pair.old.wire}, values: ...}}"
        yield pair.see("nonfinite", f"{old} -> {new}", breaks=breaks, step=step)


def _is_comparable(pair: FieldPair) -> bool:
    """Tell whether old and new values are of one kind; if not, the rules about types say all there is."""
    return compare_types(pair.old.type, pair.new.type) not in ("changed", "cardinality")


def _limits(pair: FieldPair) -> Iterator[tuple[str, Bounds, Bounds]]:
    yield "range", pair.old.range or _OPEN, pair.new.range or _OPEN
    yield "length", pair.old.length or _OPEN, pair.new.length or _OPEN


def _is_within(inner: Bounds, outer: Bounds) -> bool:
    is_low = outer.low is None or (inner.low is not None and inner.low >= outer.low)
    is_high = outer.high is None or (inner.high is not None and inner.high <= outer.high)
    return is_low and is_high


def _spell(bounds: Bounds) -> str:
    low, high = ("" if one is None else str(one) for one in (bounds.low, bounds.high))
    return f"[{low}, {high}]" if low or high else "open"


def _show(given: Given) -> str:
    words: dict[object, str] = {True: "true", False: "false", None: "null"}
    is_word = given.value is None or isinstance(given.value, bool)
    return words[given.value] if is_word else str(given.value)


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
        breaks=Break.SEM,
        why="callers who give no value come to say something else",
        by_revision=Break.SEM,
        by_major=Break.SEM,
    ),
    Rule(
        id="FLD031",
        name="MISSING_FILL_CHANGED",
        find=_find_missing,
        breaks=Break.WIRE_B | Break.SEM,
        why="the same old records come to say something else",
        by_upcast=Break.WIRE_B | Break.SEM,
    ),
    Rule(
        id="FLD032",
        name="UNIT_CHANGED",
        find=_find_unit,
        breaks=Break.SEM,
        why="old and new numbers would be compared and averaged with each other",
        ways=("add a field with the new unit, and deprecate this one",),
        by_upcast=Break.SEM,
    ),
    Rule(
        id="FLD033",
        name="CAPTURE_CHANGED",
        find=_find_capture,
        breaks=Break.SEM | Break.SOURCE,
        why="the number is taken elsewhere, at another time or made of others",
        by_revision=Break.SEM,
        by_major=Break.SOURCE,
    ),
    Rule(
        id="FLD034",
        name="RANGE_TIGHTENED",
        find=_find_tightened,
        breaks=Break.WIRE_B | Break.SOURCE,
        why="old records and callers hold values that are refused",
        by_upcast=Break.WIRE_B,
        by_major=Break.SOURCE,
    ),
    Rule(
        id="FLD035",
        name="RANGE_LOOSENED",
        find=_find_loosened,
        breaks=Break.WIRE_F,
        why="old readers refuse some new values",
        by_minor=Break.WIRE_F,
    ),
    Rule(
        id="FLD036",
        name="NONFINITE_POLICY_CHANGED",
        find=_find_nonfinite,
        breaks=Break.WIRE_B | Break.WIRE_F,
        why="NaN and infinities are written, and read, in another way",
        by_upcast=Break.WIRE_B,
        by_major=Break.WIRE_F,
    ),
)
"""Rules about a field that both contracts have: what its values are."""
