"""The states of the builders of a fold, as msgspec writes and reads them.

Events are kept as the lines of a log have them, so that they are checked against the contract when they are read again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from esper._generated.codec import decode_line, encode_line
from esper._generated.enums import EvidenceMode, SeedStage, Severity
from esper._generated.records_wire import (
    SeedEvidenceWire,
    SeedStatusWire,
    read_seed_evidence,
    read_seed_status,
    write_seed_evidence,
    write_seed_status,
)
from esper.karn.curves import Curve, CurvesBuilder
from esper.karn.kept import FirstAndNewest
from esper.karn.slots import SeedBuilder, SlotsBuilder
from esper.karn.value_states import (
    EvidencesState,
    KeptState,
    SeriesState,
    StepsState,
    read_evidence,
    read_kept,
    read_line,
    read_series,
    read_spaced,
    read_step,
    write_evidence,
    write_kept,
    write_line,
    write_lines,
    write_series,
    write_step,
)
from esper.karn.writer_fold import WriterFold


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
    steps: StepsState
    gates: KeptState
    evidences: EvidencesState
    alpha: SeriesState
    gradient: SeriesState
    counterfactuals: SeriesState


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
    series: SeriesState


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
    kept: dict[str, KeptState]
    finished: bytes | None
    epochs: tuple[list[bytes], bytes | None, int, int]
    durations: list[float]
    verdicts: dict[str, int]
    severity: str | None
    snapshot_bytes: SeriesState
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
        kept={event: write_kept(kept) for event, kept in fold.kept.items()},
        finished=write_line(fold.finished),
        epochs=(write_lines(epochs.items), write_line(epochs.newest), epochs.count, epochs.stride),
        durations=list(fold.durations),
        verdicts=fold.verdicts,
        severity=None if fold.severity is None else fold.severity.name,
        snapshot_bytes=write_series(fold.snapshot_bytes),
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
            _CurveState(*curve, write_series(builder)) for curve, builder in curves.curves.items()
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
    fold.kept = {event: read_kept(kept) for event, kept in state.kept.items()}
    fold.finished = read_line(state.finished)
    fold.epochs = read_spaced(*state.epochs)
    fold.durations.extend(state.durations)
    fold.verdicts = state.verdicts
    fold.severity = None if state.severity is None else Severity[state.severity]
    fold.snapshot_bytes = read_series(state.snapshot_bytes)
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
        builders.append(read_series(one.series))
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
        steps=StepsState(
            [write_step(step) for step in seed.steps.first],
            [write_step(step) for step in seed.steps.newest],
            seed.steps.count,
        ),
        gates=write_kept(seed.gates),
        evidences=EvidencesState(
            [write_evidence(*one) for one in seed.evidences.first],
            [write_evidence(*one) for one in seed.evidences.newest],
            seed.evidences.count,
        ),
        alpha=write_series(seed.alpha),
        gradient=write_series(seed.gradient),
        counterfactuals=write_series(seed.counterfactuals),
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
        gates=read_kept(state.gates),
        alpha=read_series(state.alpha),
        gradient=read_series(state.gradient),
        counterfactuals=read_series(state.counterfactuals),
    )
    if state.compared is not None:
        seed.compared = EvidenceMode[state.compared[0]], state.compared[1]
    seed.steps.first = [read_step(step) for step in state.steps.first]
    seed.steps.newest.extend(read_step(step) for step in state.steps.newest)
    seed.steps.count = state.steps.count
    seed.evidences.first = [read_evidence(one) for one in state.evidences.first]
    seed.evidences.newest.extend(read_evidence(one) for one in state.evidences.newest)
    seed.evidences.count = state.evidences.count
    return seed
