"""The comparison of runs as text for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from esper.karn.charts.rows import NOT_IN_LOG
from esper.karn.compare.comparison import (
    ComparedRun,
    ComparedSeed,
    Comparison,
    Difference,
    Mean,
    other_settings,
)
from esper.karn.compare.parting import NOISE_FACTOR, NUM_IN_A_ROW, Parting
from esper.karn.report.sentences import show, show_name
from esper.leyline.text import pluralize, shorten

_MAX_ROWS = 40
_MAX_CELL = 28


def describe(comparison: Comparison, *, width: int) -> Iterator[str]:
    """Yield the lines: a table of the runs, their groups, and a section for each kind of difference."""
    yield from _table(_run_rows(comparison))
    sections = (
        (
            "Groups (runs that differ at most in their seed; mean with 95 % interval)",
            _groups(comparison),
        ),
        ("Configuration", _differences(other_settings(comparison), comparison)),
        ("Versions, machine, commit, data", _differences(comparison.versions, comparison)),
        ("Losses", _partings(comparison.partings)),
        ("Seeds", _seeds(comparison.runs)),
        ("Governor", _governor(comparison.runs)),
        ("Cost", _cost(comparison.runs)),
    )
    for title, lines in sections:
        yield ""
        yield title
        for line in lines:
            yield from textwrap.wrap(
                line,
                max(width, 60),
                initial_indent="  ",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
                drop_whitespace=True,
                replace_whitespace=False,
            )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _run_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (
            "run",
            "group",
            "seed",
            "outcome",
            "epochs",
            "steps",
            f"newest {comparison.loss_name}",
            "quality %",
            "host %",
            "parameters",
        )
    ]
    has_epochs = any(run.epochs_completed for run in comparison.runs)
    has_quality = any(run.quality is not None for run in comparison.runs)
    for run in comparison.runs[:_MAX_ROWS]:
        outcome = run.state if run.outcome is None else show_name(run.outcome)
        rows.append(
            (
                run.run,
                str(run.group),
                show(run.seed, "d"),
                outcome,
                show(run.epochs_completed if has_epochs else None, "d"),
                # Steps and loss stand for what a loop without epochs and accuracies lacks.
                show(None if has_epochs else run.num_steps, ",d"),
                show(None if has_quality else run.newest_loss, ".4g"),
                show(run.quality, ".2f"),
                show(run.host_quality, ".2f"),
                show(run.num_params, ",d"),
            )
        )
    # A column that is empty in all runs, such as the accuracies of a training loop that reports none, is left out.
    columns = [column for column in zip(*rows, strict=True) if set(column[1:]) != {NOT_IN_LOG}]
    return list(zip(*columns, strict=True))


def _join_known(values: Mapping[str, str | None]) -> str:
    """Return the values that the log has, and then the names of those that it lacks."""
    known = [value for value in values.values() if value is not None]
    missing = [name for name, value in values.items() if value is None]
    parts = [", ".join(known)] if known else []
    if missing:
        parts.append(f"{NOT_IN_LOG}: {', '.join(missing)}")
    return "; ".join(parts)


def _mean(mean: Mean | None, spec: str, unit: str) -> str | None:
    if mean is None:
        return None
    half = "" if mean.half_width is None else f" ± {mean.half_width:{spec.lstrip('+')}}"
    return f"{mean.mean:{spec}}{half}{unit}"


def _groups(comparison: Comparison) -> Iterator[str]:
    for group in comparison.groups:
        # The labels of several groups begin with their number.
        label = group.label if len(comparison.groups) > 1 else f"1: {group.label}"
        has_quality = any(one.quality is not None for one in comparison.groups)
        loss = {f"newest {comparison.loss_name}": _mean(group.newest_loss, ".4g", "")}
        means = {
            **({} if has_quality else loss),
            "quality": _mean(group.quality, ".2f", " %"),
            "gain over the host": _mean(group.gain, "+.2f", " pp"),
            "best decision loss": _mean(group.best_val_loss, ".4g", ""),
            "parameters": _mean(group.num_params, ",.0f", ""),
            "time": _mean(group.duration_s, ".1f", " s"),
        }
        named = {
            name: None if value is None else f"{name} {value}" for name, value in means.items()
        }
        yield f"group {label} ({pluralize(len(group.runs), 'run')}): {_join_known(named)}"
    if any(len(group.runs) < 2 for group in comparison.groups):
        yield "A group of one run has no interval: run it with further seeds to learn how much the result varies."


def _differences(differences: Sequence[Difference], comparison: Comparison) -> Iterator[str]:
    if not differences:
        yield "no difference"
    for one in differences[:_MAX_ROWS]:
        values = [NOT_IN_LOG if value is None else value for value in one.values[:8]]
        yield f"{one.name}: {' | '.join(shorten(value, _MAX_CELL) for value in values)}"
    if len(differences) > _MAX_ROWS:
        yield f"and {len(differences) - _MAX_ROWS} more; --json has all"


def _partings(partings: Sequence[Parting]) -> Iterator[str]:
    if not partings:
        yield f"a loss of the same name in both runs: {NOT_IN_LOG}"
    for one in partings[:_MAX_ROWS]:
        where = f"{one.run}, {one.curve}"
        thinned = ", of curves that are thinned" if one.is_thinned else ""
        compared = f"{pluralize(one.num_compared, 'point')} compared{thinned}"
        if one.first_difference is None:
            yield f"{where}: exactly the same ({compared})"
            continue
        text = (
            f"{where}: differs from {one.axis} {one.first_difference:,} on ({show(one.value, '.6g')} and"
            f" {show(one.other_value, '.6g')})"
        )
        if one.beyond_noise is None:
            text += f", nowhere by more than {NOISE_FACTOR:g} times the noise of {one.noise:.2g}"
        else:
            text += (
                f"; from {one.axis} {one.beyond_noise:,} on by more than {NOISE_FACTOR:g} times the noise of"
                f" {one.noise:.2g}, {NUM_IN_A_ROW} points in a row"
            )
        yield f"{text}; {compared}"


def _seeds(runs: Sequence[ComparedRun]) -> Iterator[str]:
    lists = [tuple(map(_key, run.seeds)) for run in runs]
    if len(set(lists)) == 1:
        yield f"the same in all runs: {runs[0].num_kept} kept, {runs[0].num_removed} removed"
        return
    for run in runs[:_MAX_ROWS]:
        yield f"{run.run}: {run.num_kept} kept, {run.num_removed} removed"
        for seed in run.seeds[:_MAX_ROWS]:
            yield f"  {_describe_seed(seed)}"


def _key(seed: ComparedSeed) -> tuple[object, ...]:
    return seed.env_id, seed.slot_id, seed.number, seed.blueprint_id, seed.stage, seed.epoch


def _describe_seed(seed: ComparedSeed) -> str:
    env = f"env {seed.env_id} " if seed.env_id > 0 else ""
    name = NOT_IN_LOG if seed.blueprint_id is None else seed.blueprint_id
    epoch = "" if seed.epoch is None else f" in epoch {seed.epoch}"
    reason = "" if seed.reason is None else f" ({seed.reason})"
    text = f"{env}{seed.slot_id} seed {seed.number}, {name}: {show_name(seed.stage)}{epoch}{reason}"
    if seed.low is None or seed.high is None:
        return text
    # As elsewhere for people: the change of the loss, negative where the seed helps.
    return f"{text}; loss {0.0 - seed.high:+.2g} to {0.0 - seed.low:+.2g} nats, price {show(seed.price, '.2g')}"


def _governor(runs: Sequence[ComparedRun]) -> Iterator[str]:
    counts = {(run.num_rollbacks, run.num_cleared, run.num_skipped_steps) for run in runs}
    shown = runs[:1] if len(counts) == 1 else runs[:_MAX_ROWS]
    for run in shown:
        name = "the same in all runs" if len(counts) == 1 else run.run
        yield (
            f"{name}: {pluralize(run.num_rollbacks, 'rollback')}, {pluralize(run.num_cleared, 'suspicion')} cleared,"
            f" {pluralize(run.num_skipped_steps, 'skipped step')}"
        )


def _cost(runs: Sequence[ComparedRun]) -> Iterator[str]:
    for run in runs[:_MAX_ROWS]:
        values = {
            "time": _amount(run.duration_s, ".1f", "s"),
            "steps": None if run.num_steps is None else pluralize(run.num_steps, "step"),
            "parameters": _amount(run.num_params, ",d", "parameters"),
            "parameter updates": _amount(run.num_updates, ",d", "parameter updates"),
            "FLOPs": _amount(run.num_flops, ".3g", "FLOPs"),
        }
        yield f"{run.run}: {_join_known(values)}"


def _amount(value: float | None, spec: str, unit: str) -> str | None:
    return None if value is None else f"{value:{spec}} {unit}"
