"""Rules about fields that go, come, or come back."""

from collections.abc import Iterator

from ..contract.model import Field, FromCaller, FromSource, Value
from .field_matching import Turnover
from .impact import EVERYBODY, NOTHING, Break
from .owners import OwnerPair
from .rule import Change, Rule


def _find_removed(turnover: Turnover) -> Iterator[Change]:
    owner = turnover.owner
    for value in turnover.gone:
        is_announced = value.deprecated is not None and _is_reserved(owner, value)
        settled = Break.WIRE_F | Break.SOURCE if is_announced else NOTHING
        yield _see_gone(owner, value, "the field is gone", settled)


def _find_unreserved(turnover: Turnover) -> Iterator[Change]:
    owner = turnover.owner
    for value in turnover.gone:
        if not _is_reserved(owner, value):
            yield _see_gone(owner, value, "its name is free to be used again", NOTHING)


def _find_suspected(turnover: Turnover) -> Iterator[Change]:
    for old, new in turnover.suspects:
        what = f"looks like {old.name}, which is gone; say renamed_from: {old.name}"
        yield turnover.owner.see(new.name, new.span, what)


def _find_required(turnover: Turnover) -> Iterator[Change]:
    owner = turnover.owner
    for value in turnover.come:
        breaks = _breaks_of_new(owner, value)
        if breaks:
            what = "a new field that old records and callers do not have"
            yield _see_come(owner, value, what, breaks)


def _find_optional(turnover: Turnover) -> Iterator[Change]:
    owner = turnover.owner
    for value in turnover.come:
        if not _breaks_of_new(owner, value):
            yield _see_come(owner, value, f"a new field{_describe_source(value)}", NOTHING)


def _find_changed_keys(turnover: Turnover) -> Iterator[Change]:
    owner = turnover.owner
    for value in turnover.keys_gone:
        yield owner.see(value.name, owner.new.span, "records can no longer be told apart by it")
    for value in turnover.keys_come:
        is_read = value.missing is not None or owner.is_upcast(value.wire)
        breaks = Break.SEM if is_read else Break.SEM | Break.WIRE_B
        yield _see_come(owner, value, "records are also told apart by it", breaks)


def _breaks_of_new(owner: OwnerPair, value: Value) -> Break:
    """Return who is broken by a new field: old records without it, callers who do not give it."""
    breaks = NOTHING
    if value.missing is None and not owner.is_upcast(value.wire):
        breaks |= Break.WIRE_B
    is_captured = isinstance(value, Field) and not isinstance(value.capture, FromCaller)
    if value.default is None and not is_captured:
        breaks |= Break.SOURCE
    return breaks & owner.mode.forbidden


def _describe_source(value: Value) -> str:
    if isinstance(value, Field) and isinstance(value.capture, FromSource):
        return f"; every source of the event needs the attribute {value.capture.attribute}"
    return ""


def _is_reserved(owner: OwnerPair, value: Value) -> bool:
    """Tell whether neither the name nor the key of a field can be used again."""
    names = {name for one in owner.new.reserved for name in (one.name, one.wire)}
    return {value.name, value.wire} <= names


def _see_gone(owner: OwnerPair, value: Value, what: str, settled: Break) -> Change:
    mode = owner.mode_of(value)
    return owner.see(value.name, owner.new.span, what, settled=settled, mode=mode)


def _see_come(owner: OwnerPair, value: Value, what: str, breaks: Break) -> Change:
    return owner.see(
        value.name,
        value.span,
        what,
        breaks=breaks,
        key=value.wire,
        step="{fill: ...}",
        mode=owner.mode_of(value),
    )


RULES: tuple[Rule[Turnover], ...] = (
    Rule(
        id="FLD001",
        name="FIELD_REMOVED",
        find=_find_removed,
        breaks=Break.WIRE_F | Break.SOURCE,
        why="old readers and callers still ask for it",
        ways=("deprecate it for a release, then put its name under reserved",),
    ),
    Rule(
        id="FLD002",
        name="FIELD_REMOVED_UNRESERVED",
        find=_find_unreserved,
        breaks=Break.WIRE_B,
        why="a later field of the same name would read the values of this one in old records",
        ways=("put the name under reserved, with wire: where it had another key on the wire",),
    ),
    Rule(
        id="FLD005",
        name="FIELD_RENAMED_UNDECLARED",
        find=_find_suspected,
        breaks=EVERYBODY,
        why="whether a field is new or an old one under a new name cannot be inferred",
        ways=(
            "say renamed_from: in the new field",
            "put the old name under reserved if it is another field",
        ),
    ),
    Rule(
        id="FLD010",
        name="REQUIRED_ADDED",
        find=_find_required,
        breaks=Break.WIRE_B | Break.SOURCE,
        why="old records lack it, and callers do not give it",
        ways=("say missing: for readers of old records, and default: for callers",),
        by_upcast=Break.WIRE_B,
        by_major=Break.SOURCE,
    ),
    Rule(
        id="FLD011",
        name="OPTIONAL_ADDED",
        find=_find_optional,
        why="readers of this major version leave out what later minor versions add",
        bump="minor",
    ),
    Rule(
        id="EVT008",
        name="EVENT_KEY_CHANGED",
        find=_find_changed_keys,
        breaks=Break.WIRE_B | Break.SEM,
        why="records are joined and counted once by these keys",
        ways=("say missing: for readers of old records",),
        by_upcast=Break.WIRE_B,
        by_major=Break.SEM,
    ),
)
"""Rules about the fields of an owner that went and came."""
