"""Read a run with SQL: DuckDB views, one for each event, made from the telemetry contract.

make train
python examples/read_run_sql.py runs/RUN    or without an argument: the newest run

In a DuckDB shell: SET VARIABLE run_log = 'runs/RUN/log/*.jsonl'; then .read and the path that `VIEWS_PATH` holds.
"""

import sys
from pathlib import Path

import duckdb

from esper.telemetry import VIEWS_PATH

QUERIES = {
    "the best epochs": """
        SELECT epoch, round(val_accuracy, 2) AS accuracy, round(val_loss, 4) AS loss, num_params
        FROM epoch_completed ORDER BY val_accuracy DESC, epoch LIMIT 3""",
    "how long seeds stay in a stage": """
        SELECT from_stage::VARCHAR AS stage, count(*) AS times, round(avg(epochs_in_stage), 1) AS epochs
        FROM seed_stage_changed GROUP BY stage ORDER BY times DESC, stage""",
    "the governor's snapshots and their size": """
        SELECT count(*) AS snapshots, max(num_bytes) AS bytes FROM governor_snapshot""",
}


def main() -> None:
    """Print the answers to a few queries."""
    # The id of a run begins with its date and time.
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else max(Path("runs").iterdir())
    database = duckdb.connect()
    database.execute("SET VARIABLE run_log = ?", [str(folder / "log" / "*.jsonl")])
    database.execute(VIEWS_PATH.read_text(encoding="utf-8"))
    for title, query in QUERIES.items():
        print(title)
        print(database.sql(query))


if __name__ == "__main__":
    main()
