"""Measures queries over the views of `esper.sql`, compared with queries that a user of DuckDB writes over the same lines.

python benchmarks/karn.py --only query_vs_handwritten    the highest ratio, over a log of 1 million events

A query written by hand names the type of each field that it needs, and no other, which is the fastest way in DuckDB. Both
take turns in one process; the least processor time of each counts, as other programs change it less than the wall time.
"""

import time
from pathlib import Path

import duckdb

import esper
from karn_figures.logs import make_log

NAMES = ("query_vs_handwritten",)
LIMITS = {"query_vs_handwritten": 1.1}
REPEATS = 5

_READ = "read_json(getvariable('lines'), format = 'newline_delimited', ignore_errors = true, columns = {columns})"
PAIRS = {
    "how many events": (
        "SELECT count(*) FROM seed_stage_changed",
        "SELECT count(*) FROM {read} WHERE event = 'SEED_STAGE_CHANGED'",
        "{event: 'VARCHAR'}",
    ),
    "a curve": (
        "SELECT epoch, val_loss, val_accuracy FROM epoch_completed ORDER BY epoch",
        "SELECT epoch, payload.val_loss, payload.val_accuracy FROM {read} WHERE event = 'EPOCH_COMPLETED' ORDER BY epoch",
        "{event: 'VARCHAR', epoch: 'BIGINT', payload: 'STRUCT(val_loss DOUBLE, val_accuracy DOUBLE)'}",
    ),
    "the best epoch of each run": (
        "SELECT run, rank, env_id, min(val_loss), arg_min(epoch, val_loss) FROM epoch_completed GROUP BY ALL",
        "SELECT run, rank, payload.env_id, min(payload.val_loss), arg_min(epoch, payload.val_loss) FROM {read}"
        " WHERE event = 'EPOCH_COMPLETED' GROUP BY ALL",
        "{event: 'VARCHAR', epoch: 'BIGINT', run: 'VARCHAR', rank: 'BIGINT',"
        " payload: 'STRUCT(val_loss DOUBLE, env_id BIGINT)'}",
    ),
    "changes by stage": (
        "SELECT from_stage, count(*), avg(accuracy_delta) FROM seed_stage_changed GROUP BY ALL",
        "SELECT payload.from_stage, count(*), avg(payload.accuracy_delta) FROM {read}"
        " WHERE event = 'SEED_STAGE_CHANGED' GROUP BY ALL",
        "{event: 'VARCHAR', payload: 'STRUCT(from_stage VARCHAR, accuracy_delta DOUBLE)'}",
    ),
    "gradients of a slot": (
        "SELECT epoch // 100 AS part, avg(grad_ratio), max(grad_ratio) FROM seed_stage_changed WHERE slot_id = 'r0c0'"
        " GROUP BY ALL",
        "SELECT epoch // 100 AS part, avg(payload.grad_ratio), max(payload.grad_ratio) FROM {read}"
        " WHERE event = 'SEED_STAGE_CHANGED' AND payload.slot_id = 'r0c0' GROUP BY ALL",
        "{event: 'VARCHAR', epoch: 'BIGINT', payload: 'STRUCT(grad_ratio DOUBLE, slot_id VARCHAR)'}",
    ),
    "newest stage of each seed": (
        "SELECT slot_id, seed_number, stage FROM seeds",
        "SELECT slot, number, arg_max(to_stage, seq) FROM (SELECT run, rank, env, slot, seq, to_stage,"
        " count(CASE WHEN event = 'SEED_GERMINATED' THEN 1 END) OVER (PARTITION BY run, rank, env, slot ORDER BY seq) AS number"
        " FROM (SELECT *, payload.env_id AS env, payload.slot_id AS slot, payload.to_stage FROM {read}"
        " WHERE event IN ('SEED_GERMINATED', 'SEED_STAGE_CHANGED', 'SEED_GATE_EVALUATED', 'SEED_FOSSILIZED',"
        " 'SEED_PRUNED'))) GROUP BY run, rank, env, slot, number",
        "{event: 'VARCHAR', seq: 'BIGINT', run: 'VARCHAR', rank: 'BIGINT',"
        " payload: 'STRUCT(env_id BIGINT, slot_id VARCHAR, to_stage VARCHAR)'}",
    ),
}
"""For each question: the query over the views, the one written by hand, and the columns that it declares."""


def measure_queries(folder: Path, repeats: int = REPEATS) -> dict[str, float]:
    """Return the ratio of each pair of queries over the log in `folder`: the time over the views, by the one by hand."""
    files = sorted(str(path) for path in folder.glob("log/*.jsonl"))
    ratios = {}
    with esper.sql(folder, memory="4GB") as views, duckdb.connect() as by_hand:
        by_hand.execute("SET VARIABLE lines = ?", [files])
        for question, (query, template, columns) in PAIRS.items():
            hand = template.replace("{read}", _READ.format(columns=columns))
            if _answer(by_hand.sql(hand)) != _answer(views.sql(query)):
                raise SystemExit(f"{question}: the two queries have different answers")
            pairs = [(_time(views, query), _time(by_hand, hand)) for _ in range(repeats)]
            ratios[question] = min(one for one, _ in pairs) / min(one for _, one in pairs)
    return ratios


def measure(num_events: int, folder: Path) -> dict[str, float]:
    """Return the highest of the ratios."""
    return {"query_vs_handwritten": max(measure_queries(make_log(num_events, folder)).values())}


def _answer(relation: duckdb.DuckDBPyRelation) -> list[str]:
    """Return the rows as texts, sorted, without the last digits, which depend on the order of a sum."""
    rows = [
        [float(f"{one:.9g}") if isinstance(one, float) else one for one in row]
        for row in relation.fetchall()
    ]
    return sorted(map(repr, rows))


def _time(database: esper.RunDatabase | duckdb.DuckDBPyConnection, query: str) -> float:
    start = time.process_time()
    database.sql(query).fetchall()
    return time.process_time() - start
