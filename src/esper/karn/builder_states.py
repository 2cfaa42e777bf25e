"""The states of the builders of a fold, as msgspec writes and reads them.

Events are kept as the lines of a log have them, so that they are checked against the contract when they are read again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import msgspec

from esper._generated.codec import decode_line, decode_payload, encode_line, encode_payload
from esper._generated.enums import EvidenceMode, SeedStage, Severity
from esper._generated.envelope import Envelope, make_envelope
from esper._generated.records import SeedEvidence
from esper._generated.records_wire import (
    SeedEvidenceWire,
    SeedStatusWire,
    read_seed_evidence,
    read_seed_status,
    write_seed_evidence,
    write_seed_status,
)
from esper.karn.curves import Curve, CurvesBuilder
from esper.karn.kept import FirstAndNewest, Spaced
from esper.karn.series import Mark, SeriesBuilder
from esper.karn.slots import SeedBuilder, SlotsBuilder, StepEvent
from esper.karn.writer_fold import WriterFold
from esper.nissa.reader import LoggedEvent


class _SeriesState(msgspec.Struct, array_like=True):
    x: bytes
    y: bytes
    buckets: list[tuple[tuple[int, int, float], ...]]
    size: int
    flushed: int
    marks: list[tuple[int, float]]
    num_nonfinite: int


class _KeptState(msgspec.Struct, array_like=True):
    """The lines of kept events."""

    first: list[bytes]
    newest: list[bytes]
    count: int


class _StepState(msgspec.Struct, array_like=True):
    line: bytes
    step: int | None
    change: bytes | None
    """The payload of the stage change before the end of a seed."""


class _StepsState(msgspec.Struct, array_like=True):
    first: list[_StepState]
    newest: list[_StepState]
    count: int


class _EvidenceState(msgspec.Struct, array_like=True):
    """A comparison, and the place of the event that reported it."""

    epoch: int | None
    seq: int
    t_wall_ns: int
    event: str
    evidence: SeedEvidenceWire


class _EvidencesState(msgspec.Struct, array_like=True):
    first: list[_EvidenceState]
    newest: list[_EvidenceState]
    count: int


class _SeedState(msgspec.Struct, array_like=True):
    blueprint_id: str | None
    num_params: int | None
    improvement: float | None
    contribution: float | None
    evidence: SeedEvidenceWire | None
    blend_tempo_epochs: int | None
    epochs_total: int | None
    status: SeedStatusWire | None
    num_vanishing: int
    num_exploding: int
    is_germinated: bool
    has_ended: bool
    stage: str | None
    compared: tuple[str, int] | None
    steps: _StepsState
    gates: _KeptState
    evidences: _EvidencesState
    alpha: _SeriesState
    gradient: _SeriesState
    counterfactuals: _SeriesState


class _SlotState(msgspec.Struct, array_like=True):
    env_id: int
    slot_id: str
    first: list[_SeedState]
    newest: list[_SeedState]
    count: int


class _CurveState(msgspec.Struct, array_like=True):
    group: str
    name: str
    axis: str
    event: str
    field: str
    env_id: int
    series: _SeriesState


class _MetricState(msgspec.Struct, array_like=True):
    """The curve of a logged metric, by its position."""

    event: str
    name: str
    env_id: int
    curve: int


class WriterState(msgspec.Struct, array_like=True):
    """The state of the fold of one process."""

    rank: int
    boot: str
    counts: dict[str, int]
    run_id: str
    last_epoch: int
    first_ns: int
    last_ns: int
    kept: dict[str, _KeptState]
    finished: bytes | None
    epochs: tuple[list[bytes], bytes | None, int, int]
    durations: list[float]
    verdicts: dict[str, int]
    severity: str | None
    snapshot_bytes: _SeriesState
    newest_metrics: dict[str, float]
    num_left_out: int
    last_metrics_step: int | None
    newest: list[tuple[str, str, bytes]]
    num_sink_failures: dict[str, int]
    epoch_end: tuple[int, int] | None
    step: int | None
    slots: list[_SlotState]
    curves: list[_CurveState]
    metrics: list[_MetricState]
    num_calls: int


def write_writer(rank: int, boot: str, fold: WriterFold) -> WriterState:
    """Return the state of the fold of one process."""
    curves = fold.curves
    places = {id(builder): place for place, builder in enumerate(curves.curves.values())}
    epochs = fold.epochs
    return WriterState(
        rank=rank,
        boot=boot,
        counts=fold.counts,
        run_id=fold.run_id,
        last_epoch=fold.last_epoch,
        first_ns=fold.first_ns,
        last_ns=fold.last_ns,
        kept={event: _write_kept(kept) for event, kept in fold.kept.items()},
        finished=_line(fold.finished),
        epochs=(_lines(epochs.items), _line(epochs.newest), epochs.count, epochs.stride),
        durations=list(fold.durations),
        verdicts=fold.verdicts,
        severity=None if fold.severity is None else fold.severity.name,
        snapshot_bytes=_write_series(fold.snapshot_bytes),
        newest_metrics=fold.newest_metrics,
        num_left_out=fold.num_left_out,
        last_metrics_step=fold.last_metrics_step,
        newest=[(event, sink, encode_line(*one)) for (event, sink), one in fold.newest.items()],
        num_sink_failures=fold.num_sink_failures,
        epoch_end=fold.epoch_end,
        step=fold.slots.step,
        slots=[
            _SlotState(
                env_id,
                slot_id,
                [_write_seed(seed) for seed in seeds.first],
                [_write_seed(seed) for seed in seeds.newest],
                seeds.count,
            )
            for (env_id, slot_id), seeds in fold.slots.slots.items()
        ],
        curves=[
            _CurveState(*curve, _write_series(builder)) for curve, builder in curves.curves.items()
        ],
        metrics=[
            _MetricState(event, name, env_id, places[id(builder)])
            for (event, name, env_id), builder in curves.metrics.items()
        ],
        num_calls=curves.num_calls,
    )


def read_writer(state: WriterState) -> WriterFold:
    """Return the fold of one process.

    Raises:
        ContractError: a kept event breaks the contract.
        LookupError: a name is not that of a member, or a position is not that of a curve.
        ValueError: a curve is not whole.
    """
    fold = WriterFold()
    fold.counts, fold.run_id = state.counts, state.run_id
    fold.last_epoch, fold.first_ns, fold.last_ns = state.last_epoch, state.first_ns, state.last_ns
    fold.kept = {event: _read_kept(kept) for event, kept in state.kept.items()}
    fold.finished = _event(state.finished)
    fold.epochs = _read_spaced(*state.epochs)
    fold.durations.extend(state.durations)
    fold.verdicts = state.verdicts
    fold.severity = None if state.severity is None else Severity[state.severity]
    fold.snapshot_bytes = _read_series(state.snapshot_bytes)
    fold.newest_metrics, fold.num_left_out = state.newest_metrics, state.num_left_out
    fold.last_metrics_step = state.last_metrics_step
    fold.newest = {(event, sink): decode_line(line) for event, sink, line in state.newest}
    fold.num_sink_failures = state.num_sink_failures
    fold.epoch_end = state.epoch_end
    _restore_slots(fold.slots, state)
    _restore_curves(fold.curves, state)
    return fold


def _restore_slots(slots: SlotsBuilder, state: WriterState) -> None:
    slots.step = state.step
    for one in state.slots:
        seeds = FirstAndNewest()
        seeds.first = [_read_seed(seed) for seed in one.first]
        seeds.newest.extend(_read_seed(seed) for seed in one.newest)
        seeds.count = one.count
        slots.slots[one.env_id, one.slot_id] = seeds
        slots.newest[one.env_id, one.slot_id] = seeds.last


def _restore_curves(curves: CurvesBuilder, state: WriterState) -> None:
    builders = []
    for one in state.curves:
        builders.append(_read_series(one.series))
        curve: Any = (one.group, one.name, one.axis, one.event, one.field, one.env_id)
        curves.curves[Curve(*curve)] = builders[-1]
    for metric in state.metrics:
        curves.metrics[metric.event, metric.name, metric.env_id] = builders[metric.curve]
    curves.num_calls = state.num_calls


def _write_seed(seed: SeedBuilder) -> _SeedState:
    return _SeedState(
        blueprint_id=seed.blueprint_id,
        num_params=seed.num_params,
        improvement=seed.improvement,
        contribution=seed.contribution,
        evidence=None if seed.evidence is None else write_seed_evidence(seed.evidence),
        blend_tempo_epochs=seed.blend_tempo_epochs,
        epochs_total=seed.epochs_total,
        status=None if seed.status is None else write_seed_status(seed.status),
        num_vanishing=seed.num_vanishing,
        num_exploding=seed.num_exploding,
        is_germinated=seed.is_germinated,
        has_ended=seed.has_ended,
        stage=None if seed.stage is None else seed.stage.name,
        compared=None if seed.compared is None else (seed.compared[0].name, seed.compared[1]),
        steps=_StepsState(
            [_write_step(step) for step in seed.steps.first],
            [_write_step(step) for step in seed.steps.newest],
            seed.steps.count,
        ),
        gates=_write_kept(seed.gates),
        evidences=_EvidencesState(
            [_write_evidence(*one) for one in seed.evidences.first],
            [_write_evidence(*one) for one in seed.evidences.newest],
            seed.evidences.count,
        ),
        alpha=_write_series(seed.alpha),
        gradient=_write_series(seed.gradient),
        counterfactuals=_write_series(seed.counterfactuals),
    )


def _read_seed(state: _SeedState) -> SeedBuilder:
    seed = SeedBuilder(
        blueprint_id=state.blueprint_id,
        num_params=state.num_params,
        improvement=state.improvement,
        contribution=state.contribution,
        evidence=None if state.evidence is None else read_seed_evidence(state.evidence),
        blend_tempo_epochs=state.blend_tempo_epochs,
        epochs_total=state.epochs_total,
        status=None if state.status is None else read_seed_status(state.status),
        num_vanishing=state.num_vanishing,
        num_exploding=state.num_exploding,
        is_germinated=state.is_germinated,
        has_ended=state.has_ended,
        stage=None if state.stage is None else SeedStage[state.stage],
        gates=_read_kept(state.gates),
        alpha=_read_series(state.alpha),
        gradient=_read_series(state.gradient),
        counterfactuals=_read_series(state.counterfactuals),
    )
    if state.compared is not None:
        seed.compared = EvidenceMode[state.compared[0]], state.compared[1]
    seed.steps.first = [_read_step(step) for step in state.steps.first]
    seed.steps.newest.extend(_read_step(step) for step in state.steps.newest)
    seed.steps.count = state.steps.count
    seed.evidences.first = [_read_evidence(one) for one in state.evidences.first]
    seed.evidences.newest.extend(_read_evidence(one) for one in state.evidences.newest)
    seed.evidences.count = state.evidences.count
    return seed


def _write_step(item: StepEvent) -> _StepState:
    envelope, payload, step, change = item
    return _StepState(
        encode_line(envelope, payload), step, None if change is None else encode_payload(change)
    )


def _read_step(state: _StepState) -> StepEvent:
    envelope, payload = decode_line(state.line)
    change: Any = None
    if state.change is not None:
        change = decode_payload("SEED_STAGE_CHANGED", state.change)
    return envelope, payload, state.step, change


def _write_evidence(envelope: Envelope, evidence: SeedEvidence) -> _EvidenceState:
    return _EvidenceState(
        envelope.epoch,
        envelope.seq,
        envelope.t_wall_ns,
        envelope.event,
        write_seed_evidence(evidence),
    )


def _read_evidence(state: _EvidenceState) -> tuple[Envelope, SeedEvidence]:
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


def _write_kept(kept: FirstAndNewest) -> _KeptState:
    return _KeptState(_lines(kept.first), _lines(kept.newest), kept.count)


def _read_kept(state: _KeptState) -> FirstAndNewest:
    kept = FirstAndNewest()
    kept.first = [decode_line(line) for line in state.first]
    kept.newest.extend(decode_line(line) for line in state.newest)
    kept.count = state.count
    return kept


def _read_spaced(items: list[bytes], newest: bytes | None, count: int, stride: int) -> Spaced:
    spaced = Spaced()
    spaced.items = [decode_line(line) for line in items]
    # The newest item is one of the spaced ones, or comes after them.
    spaced.newest, spaced.count, spaced.stride = _event(newest), count, max(stride, 1)
    return spaced


def _write_series(builder: SeriesBuilder) -> _SeriesState:
    return _SeriesState(
        x=builder.x.tobytes(),
        y=builder.y.tobytes(),
        buckets=builder.buckets,
        size=builder.size,
        flushed=builder.flushed,
        marks=[(mark.x, mark.value) for mark in builder.marks],
        num_nonfinite=builder.num_nonfinite,
    )


def _read_series(state: _SeriesState) -> SeriesBuilder:
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


def _lines(events: Iterable[LoggedEvent]) -> list[bytes]:
    return [encode_line(*event) for event in events]


def _line(event: LoggedEvent | None) -> bytes | None:
    return None if event is None else encode_line(*event)


def _event(line: bytes | None) -> LoggedEvent | None:
    return None if line is None else decode_line(line)
