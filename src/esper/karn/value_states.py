"""The states of curves, kept events, stage changes and comparisons, of which the states of the builders consist."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import msgspec

from esper._generated.codec import decode_line, decode_payload, encode_line, encode_payload
from esper._generated.envelope import Envelope, make_envelope
from esper._generated.records import SeedEvidence
from esper._generated.records_wire import (
    SeedEvidenceWire,
    read_seed_evidence,
    write_seed_evidence,
)
from esper.karn.kept import FirstAndNewest, Spaced
from esper.karn.series import Mark, SeriesBuilder
from esper.karn.slots import StepEvent
from esper.nissa.reader import LoggedEvent


class SeriesState(msgspec.Struct, array_like=True):
    """A curve: its values as bytes, the bucket that is being filled, and the values that are NaN or infinite."""

    x: bytes
    y: bytes
    buckets: list[tuple[tuple[int, int, float], ...]]
    size: int
    flushed: int
    marks: list[tuple[int, float]]
    num_nonfinite: int


class KeptState(msgspec.Struct, array_like=True):
    """The lines of kept events."""

    first: list[bytes]
    newest: list[bytes]
    count: int


class StepState(msgspec.Struct, array_like=True):
    """A stage change of a seed, as the line of its event."""

    line: bytes
    step: int | None
    change: bytes | None
    """The payload of the stage change before the end of a seed."""


class StepsState(msgspec.Struct, array_like=True):
    """The first and the newest stage changes of a seed."""

    first: list[StepState]
    newest: list[StepState]
    count: int


class EvidenceState(msgspec.Struct, array_like=True):
    """A comparison, and the place of the event that reported it."""

    epoch: int | None
    seq: int
    t_wall_ns: int
    event: str
    evidence: SeedEvidenceWire


class EvidencesState(msgspec.Struct, array_like=True):
    """The first and the newest comparisons of a seed."""

    first: list[EvidenceState]
    newest: list[EvidenceState]
    count: int


def write_step(item: StepEvent) -> StepState:
    """Return the state of a stage change."""
    envelope, payload, step, change = item
    return StepState(
        encode_line(envelope, payload), step, None if change is None else encode_payload(change)
    )


def read_step(state: StepState) -> StepEvent:
    """Return the stage change of a state."""
    envelope, payload = decode_line(state.line)
    change: Any = None
    if state.change is not None:
        change = decode_payload("SEED_STAGE_CHANGED", state.change)
    return envelope, payload, state.step, change


def write_evidence(envelope: Envelope, evidence: SeedEvidence) -> EvidenceState:
    """Return the state of a comparison."""
    return EvidenceState(
        envelope.epoch,
        envelope.seq,
        envelope.t_wall_ns,
        envelope.event,
        write_seed_evidence(evidence),
    )


def read_evidence(state: EvidenceState) -> tuple[Envelope, SeedEvidence]:
    """Return the comparison of a state, and an envelope with its place."""
    envelope = make_envelope(
        seq=state.seq,
        t_wall_ns=state.t_wall_ns,
        t_mono_ns=0,
        run="run",
        rank=0,
        boot="0",
        epoch=state.epoch,
        event=state.event,
    )
    return envelope, read_seed_evidence(state.evidence)


def write_kept(kept: FirstAndNewest) -> KeptState:
    """Return the state of the events that are kept."""
    return KeptState(write_lines(kept.first), write_lines(kept.newest), kept.count)


def read_kept(state: KeptState) -> FirstAndNewest:
    """Return the events of a state."""
    kept = FirstAndNewest()
    kept.first = [decode_line(line) for line in state.first]
    kept.newest.extend(decode_line(line) for line in state.newest)
    kept.count = state.count
    return kept


def read_spaced(items: list[bytes], newest: bytes | None, count: int, stride: int) -> Spaced:
    """Return evenly spaced events, which come as lines."""
    spaced = Spaced()
    spaced.items = [decode_line(line) for line in items]
    # The newest item is one of the spaced ones, or comes after them.
    spaced.newest, spaced.count, spaced.stride = read_line(newest), count, max(stride, 1)
    return spaced


def write_series(builder: SeriesBuilder) -> SeriesState:
    """Return the state of a curve."""
    return SeriesState(
        x=builder.x.tobytes(),
        y=builder.y.tobytes(),
        buckets=builder.buckets,
        size=builder.size,
        flushed=builder.flushed,
        marks=[(mark.x, mark.value) for mark in builder.marks],
        num_nonfinite=builder.num_nonfinite,
    )


def read_series(state: SeriesState) -> SeriesBuilder:
    """Return the curve of a state.

    Raises:
        ValueError: the state is not that of a curve.
    """
    builder = SeriesBuilder()
    builder.x, builder.y = array("q"), array("d")
    builder.x.frombytes(state.x)
    builder.y.frombytes(state.y)
    if len(builder.x) != len(builder.y) or state.size < 1:
        raise ValueError("a curve must have as many values as places")
    builder.buckets, builder.size, builder.flushed = state.buckets, state.size, state.flushed
    builder.marks = [Mark(x=x, value=value) for x, value in state.marks]
    builder.num_nonfinite = state.num_nonfinite
    return builder


def write_lines(events: Iterable[LoggedEvent]) -> list[bytes]:
    """Return the lines of events."""
    return [encode_line(*event) for event in events]


def write_line(event: LoggedEvent | None) -> bytes | None:
    """Return the line of an event; None if there is no event."""
    return None if event is None else encode_line(*event)


def read_line(line: bytes | None) -> LoggedEvent | None:
    """Return the event of a line; None if there is no line."""
    return None if line is None else decode_line(line)
