"""Measures queries over the views of `esper.sql`, compared with queries that a user of DuckDB writes over the same lines.

python -m benchmarks.karn_figures.query                 a log of 1 million events
python -m benchmarks.karn_figures.query --many 10000    also: many small runs, as logs and as Parquet

A query written by hand names the type of each field that it needs, and no other, which is the fastest way in DuckDB. Both
take turns in one process; the least processor time of each counts, as other programs change it less than the wall time.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import duckdb

import esper
from benchmarks.reading import write_log
from esper._generated.codec import encode_line
from esper.nissa.exporting.dataset import open_dataset
from esper.nissa.exporting.export import export_run
from esper.nissa.exporting.formats import FORMATS
from esper.testing.sample_events import make_every_event

NUM_EVENTS = 1_000_000
REPEATS = 5
MAX_RATIO = 1.1
"""Most time of a query over the views, in multiples of the time of the one written by hand."""

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


def measure(num_events: int, repeats: int) -> dict[str, object]:
    """Return the figures for a new log."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_log(folder, num_events)
        ratios = measure_queries(folder, repeats)
    return {"query_vs_handwritten": round(max(ratios.values()), 3), "queries": ratios}


def measure_many(num_runs: int) -> dict[str, float]:
    """Return seconds for opening and querying many small runs, as logs and as an export."""
    query = "SELECT run, max(val_loss) FROM epochs GROUP BY run ORDER BY 2 DESC LIMIT 3"
    with tempfile.TemporaryDirectory() as temporary:
        root, lake = Path(temporary, "runs"), Path(temporary, "lake")
        dataset = open_dataset(lake, FORMATS["parquet"])
        for number in range(num_runs):
            folder = root / f"run-{number}"
            (folder / "log").mkdir(parents=True)
            lines = [encode_line(*one) for one in make_every_event(run_id=folder.name)]
            (folder / "log" / "0-00f1-0000.jsonl").write_bytes(b"".join(lines))
            export_run(folder, dataset)
        seconds = {}
        for name, options in {"logs": {"run_dir": root}, "parquet": {"parquet": lake}}.items():
            start = time.perf_counter()
            with esper.sql(memory="4GB", **options) as database:  # type: ignore[arg-type] # paths
                opened = time.perf_counter()
                assert len(database.sql(query).fetchall()) == 3
                first = time.perf_counter()
                database.sql(query).fetchall()
                seconds |= {
                    f"{name}_open_s": round(opened - start, 2),
                    f"{name}_first_query_s": round(first - opened, 2),
                    f"{name}_query_s": round(time.perf_counter() - first, 2),
                }
    return seconds


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


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=NUM_EVENTS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--many", type=int, default=0, help="measure as many small runs too")
    options = parser.parse_args()
    figures = measure(options.events, options.repeats)
    if options.many:
        figures["many"] = measure_many(options.many)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
