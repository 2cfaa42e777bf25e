"""All that the log says about a slot: its seeds with their stages, gates and evidence, the newest seed first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from esper._generated.enums import SeedStage
from esper._generated.records import SeedEvidence
from esper.karn.seed_story import EvidencePoint, GateStory, SeedStory, Step
from esper.karn.series import Series
from esper.karn.watch.cells import Column, draw_row, draw_titles
from esper.karn.watch.slot_table import STAGE_STYLES, SlotRow, newest_alpha, newest_evidence
from esper.karn.watch.texts import MISSING, NOT_LOGGED, draw_bar, draw_spark, show_number
from esper.leyline.text import pluralize, printable

_MAX_SEEDS = 20
_MAX_ROWS = 50
"""Stages, gates and comparisons of a seed that are listed, the newest ones."""
_MAX_TEXT = 300
_SPARK_WIDTH = 30
_STAGE_COLUMNS = (
    Column("epoch", 6, is_right=True),
    Column("step", 8, is_right=True),
    Column("stage", 12),
    Column("alpha", 6, is_right=True),
    Column("accuracy since", 15, is_right=True),
    Column("after", 9, is_right=True),
)
_GATE_COLUMNS = (
    Column("epoch", 6, is_right=True),
    Column("gate", 4),
    Column("before", 11),
    Column("result", 8),
    Column("conditions", 0),
)
_EVIDENCE_COLUMNS = (
    Column("epoch", 6, is_right=True),
    Column("mode", 14),
    Column("difference", 10, is_right=True),
    Column("interval", 18),
    Column("price", 7, is_right=True),
    Column("samples", 7, is_right=True),
)


def draw_slot_detail(row: SlotRow, width: int) -> list[Text]:
    """Return the lines of the detail of a slot."""
    slot = row.slot
    lines = [Text.assemble(("slot ", "dim"), (row.label, "bold"))]
    lines[0].append(f"  environment {slot.env_id}, {pluralize(slot.num_seeds, 'seed')}", "dim")
    if not slot.seeds:
        return [*lines, Text("No seed has been planted in it.")]
    for seed in slot.seeds[: -_MAX_SEEDS - 1 : -1]:
        lines += [Text(), *_draw_seed(seed, width)]
    if left_out := slot.num_seeds - min(len(slot.seeds), _MAX_SEEDS):
        lines += [Text(), Text(f"and {pluralize(left_out, 'earlier seed')}", "dim")]
    return lines


def _draw_seed(seed: SeedStory, width: int) -> Iterator[Text]:
    name = NOT_LOGGED if seed.blueprint_id is None else printable(seed.blueprint_id)
    stage = seed.stage
    yield Text.assemble(
        (f"seed {seed.number}: ", "bold"), (name, "bold"), "  ", (stage.name, STAGE_STYLES[stage])
    )
    for label, value in _facts(seed):
        yield Text.assemble((f"  {label:<14}", "dim"), value)
    yield from _draw_part(
        "stages", _STAGE_COLUMNS, [_stage_cells(one) for one in seed.steps], width
    )
    yield from _draw_part("gates", _GATE_COLUMNS, [_gate_cells(one) for one in seed.gates], width)
    points = [_evidence_cells(one) for one in seed.evidences]
    yield from _draw_part("evidence (nats)", _EVIDENCE_COLUMNS, points, width)


def _facts(seed: SeedStory) -> Iterator[tuple[str, Text]]:
    """Yield names and values of a seed."""
    yield "parameters", _number(seed.num_params)
    alpha = newest_alpha(seed)
    bar = Text(NOT_LOGGED, "dim") if alpha is None else Text(f"{draw_bar(alpha, 10)} {alpha:.2f}")
    yield "alpha", bar.append(_spark(seed.alpha))
    ratio = None if seed.gradient is None else seed.gradient.last
    gradient = _number(ratio).append("" if ratio is None else " of the host's norm")
    yield "gradient", gradient.append(_spark(seed.gradient))
    if bad := seed.num_vanishing + seed.num_exploding:
        counts = f"{seed.num_vanishing:,} vanishing, {seed.num_exploding:,} exploding"
        yield "", Text(f"{pluralize(bad, 'bad measurement')}: {counts}", "yellow")
    removed = None if seed.counterfactuals is None else seed.counterfactuals.last
    if removed is None:
        removed = seed.contribution
    loss = Text(NOT_LOGGED, "dim") if removed is None else Text(f"{removed:+.2f} pp of accuracy")
    yield "contribution", loss.append(_spark(seed.counterfactuals))
    yield "evidence", _describe_evidence(newest_evidence(seed))
    tempo = seed.blend_tempo_epochs
    planned = None if tempo is None else f"{pluralize(tempo, 'epoch')} planned"
    yield "blending", Text(NOT_LOGGED, "dim") if planned is None else Text(planned)
    if seed.end is not None:
        gain = seed.improvement
        yield "gain", (
            Text(NOT_LOGGED, "dim") if gain is None else Text(f"{gain:+.2f} pp of accuracy")
        )
        yield "end", _describe_end(seed, seed.end)


def _describe_end(seed: SeedStory, end: Step) -> Text:
    total = "" if seed.epochs_total is None else f" after {pluralize(seed.epochs_total, 'epoch')}"
    text = Text(f"{end.stage.name.lower()}{total}", STAGE_STYLES[end.stage])
    if end.stage is SeedStage.PRUNED:
        reason = NOT_LOGGED if end.reason is None else f'"{printable(end.reason, _MAX_TEXT)}"'
        by = "" if end.initiator is None else f", by {printable(end.initiator)}"
        rule = ", a safety rule" if end.auto_pruned else ""
        text.append(f": {reason}{by}{rule}")
    return text


def _describe_evidence(evidence: SeedEvidence | None) -> Text:
    if evidence is None:
        return Text(NOT_LOGGED, "dim")
    return Text(
        f"{_signed(evidence.difference)} nats {_interval(evidence)}, price {show_number(evidence.price)};"
        f" look {show_number(evidence.look)}, {show_number(evidence.num_samples)} samples"
    )


def _draw_part(
    title: str, columns: Sequence[Column], rows: Sequence[list[Text]], width: int
) -> Iterator[Text]:
    """Yield a table with its title; nothing if it has no rows."""
    if not rows:
        return
    left_out = len(rows) - _MAX_ROWS
    more = f" (the newest {_MAX_ROWS} of {len(rows):,})" if left_out > 0 else ""
    yield Text.assemble("  ", (f"{title}{more}", "underline"))
    yield draw_titles(columns, width)
    for cells in rows[-_MAX_ROWS:]:
        yield draw_row(columns, cells, width)


def _stage_cells(step: Step) -> list[Text]:
    gain = None if step.accuracy_delta is None else f"{step.accuracy_delta:+.2f} pp"
    epochs = None if step.epochs_in_stage is None else pluralize(step.epochs_in_stage, "epoch")
    return [
        _cell(step.epoch),
        _cell(step.step),
        Text(step.stage.name.lower(), STAGE_STYLES[step.stage]),
        _cell(None if step.alpha is None else f"{step.alpha:.2f}"),
        _cell(gain),
        _cell(epochs),
    ]


def _gate_cells(gate: GateStory) -> list[Text]:
    result = (
        _cell(None)
        if gate.passed is None
        else Text("passed", "green") if gate.passed else Text("✖ failed", "red")
    )
    failed = ", ".join(check.name.lower() for check in gate.checks_failed)
    message = MISSING if gate.message is None else printable(gate.message, _MAX_TEXT)
    return [
        _cell(gate.epoch),
        _cell(None if gate.gate is None else gate.gate.name),
        _cell(None if gate.target_stage is None else gate.target_stage.name.lower()),
        result,
        Text(f"{failed}: {message}" if failed else message),
    ]


def _evidence_cells(point: EvidencePoint) -> list[Text]:
    evidence = point.evidence
    return [
        _cell(point.epoch),
        _cell(None if evidence.mode is None else evidence.mode.name.lower()),
        _cell(_signed(evidence.difference)),
        _cell(_interval(evidence)),
        _cell(show_number(evidence.price)),
        _cell(evidence.num_samples),
    ]


def _interval(evidence: SeedEvidence) -> str:
    return f"[{_signed(evidence.low)}, {_signed(evidence.high)}]"


def _signed(value: float | None) -> str:
    return MISSING if value is None else f"{value:+.4f}"


def _spark(series: Series | None) -> str:
    if series is None or len(series.y) < 2:
        return ""
    return f"  {draw_spark(series.y, _SPARK_WIDTH)}"


def _number(value: float | None) -> Text:
    return Text(NOT_LOGGED, "dim") if value is None else Text(show_number(value))


def _cell(value: str | int | None) -> Text:
    if value is None:
        return Text(MISSING, "dim")
    return Text(f"{value:,}" if isinstance(value, int) else value)
