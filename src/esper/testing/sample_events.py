"""Made-up events: valid ones of every kind that the contract has, and a simple series."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from esper._generated.envelope import make_envelope
from esper._generated.fields import EVENT_FIELDS, RECORD_FIELDS, FieldInfo
from esper._generated.registry import ENUMS, EVENTS, RECORDS
from esper.nissa.reader import LoggedEvent

_WALL_NS = 1_700_000_000_000_000_000
_HOSTILE = '=1+1,"\t\n\x1b[31m\u202e\u00e9\U0001f331'
"""Begins as a formula, and has a quote, line ends, an escape sequence, and characters beyond ASCII."""


def make_series(count: int, *, first_seq: int = 0, run_id: str = "run") -> list[LoggedEvent]:
    """Return METRICS_LOGGED events with the steps and numbers from `first_seq` on."""
    make: Any = EVENTS["METRICS_LOGGED"]
    return [
        (
            _envelope("METRICS_LOGGED", seq, run_id),
            make(step=seq, metrics={"loss": 1.0 / (1 + seq)}, num_left_out=0, env_id=0),
        )
        for seq in range(first_seq, first_seq + count)
    ]


def make_every_event(*, first_seq: int = 0, run_id: str = "run") -> list[LoggedEvent]:
    """Return two events of every kind: one with values as empty and low as can be, one with hostile texts and NaN."""
    return list(_every_event(first_seq, run_id))


def _every_event(seq: int, run_id: str) -> Iterator[LoggedEvent]:
    for event, declared in EVENT_FIELDS.items():
        for is_hostile in (False, True):
            values = {one.name: _value(one, is_hostile) for one in declared}
            yield _envelope(event, seq, run_id), EVENTS[event](**values)
            seq += 1


def _envelope(event: str, seq: int, run_id: str) -> Any:
    return make_envelope(
        seq=seq,
        t_wall_ns=_WALL_NS + seq * 1_000_000,
        t_mono_ns=seq * 1_000_000,
        run=run_id,
        rank=0,
        boot="00f1",
        epoch=1 + seq // 10,
        event=event,
    )


def _value(declared: FieldInfo, is_hostile: bool) -> Any:
    """Return a valid value of a field."""
    if declared.nullable and not is_hostile:
        return None
    if declared.type.endswith("[]"):
        num_items = max(declared.min_length, 2 if is_hostile else 0)
        return tuple(_item(declared, is_hostile) for _ in range(num_items))
    if declared.type.endswith("{}"):
        num_items = max(declared.min_length, 2 if is_hostile else 0)
        return {f"key {number}": _item(declared, is_hostile) for number in range(num_items)}
    return _item(declared, is_hostile)


def _item(declared: FieldInfo, is_hostile: bool) -> Any:
    inner = declared.type.rstrip("[]{}")
    if inner in RECORDS:
        values = {one.name: _value(one, is_hostile) for one in RECORD_FIELDS[inner]}
        return RECORDS[inner](**values)
    if inner in ENUMS:
        members = list(ENUMS[inner])
        return members[-1 if is_hostile else 0]
    match inner:
        case "str":
            return _text(declared, is_hostile)
        case "bool":
            return is_hostile
        case "int":
            return int(_number(declared, 2**53 + 1 if is_hostile else 0))
        case _:
            if is_hostile and declared.nonfinite == "string":
                return float("nan")
            return float(_number(declared, 1e300 if is_hostile else 0))


def _number(declared: FieldInfo, wanted: float) -> float:
    low = wanted if declared.low is None else max(wanted, declared.low)
    return low if declared.high is None else min(low, declared.high)


def _text(declared: FieldInfo, is_hostile: bool) -> str:
    least, most = declared.min_length, declared.max_length
    if declared.pattern is not None:
        lengths = range(least, 1 + (64 if most is None else most))
        return next(
            text for n in lengths if re.fullmatch(declared.pattern, text := "0" * n) is not None
        )
    text = _HOSTILE if is_hostile else "x" * least
    return text[:most] if most is not None else text
