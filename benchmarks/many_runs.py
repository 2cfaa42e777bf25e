"""Measures queries over many small runs: over their logs, and over the Parquet files of their export.

    python benchmarks/many_runs.py                  10,000 runs; JSON of all times in seconds, as the last line
    python benchmarks/many_runs.py --runs 1000

Each run has a start, epochs and an end, with a seed and losses of its own. Every time is that of a whole command in a new
process; those of the queries are wall time and processor time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.karn.made_run import write_run  # noqa: E402 # after the root is known

NUM_RUNS = 10_000
NUM_EPOCHS = 5
_PATIENTLY = ("--timeout", "3600")
QUERIES = {
    "count": "select count(*) from epoch_completed",
    "best_runs": "select run, min(val_loss) as loss from epoch_completed group by run order by loss, run limit 10",
    "runs": "select outcome, count(*), avg(val_accuracy) from runs group by outcome",
}


def make_runs(folder: Path, num_runs: int) -> None:
    """Write the runs: copies of one, each with an id, a seed and losses of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        original = write_run(Path(temporary) / "original", epochs=NUM_EPOCHS)
        (log,) = (original / "log").glob("*.jsonl")
        lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    for number in range(num_runs):
        run = f"20260101-000000-made-s{number}-{number:04x}"
        for line in lines:
            line["run"], line["boot"] = run, f"{number:016x}"
            if line["event"] == "RUN_STARTED":
                line["payload"]["seed"] = number
            elif line["event"] == "EPOCH_COMPLETED":
                line["payload"]["val_loss"] = 1 / line["epoch"] + number % 977 / 1000
        (folder / run / "log").mkdir(parents=True)
        text = "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines)
        (folder / run / "log" / f"0-{number:016x}-0000.jsonl").write_text(text)


def run_command(*arguments: str) -> tuple[str, float, float]:
    """Run a command of Esper and return what it prints, its wall time and its processor time in seconds."""
    command = [sys.executable, "-m", "esper", *arguments]
    before, start = os.times(), time.perf_counter()
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = os.times()
    used = after.children_user + after.children_system
    return (
        printed,
        time.perf_counter() - start,
        used - before.children_user - before.children_system,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=NUM_RUNS, help="default: %(default)s")
    options = parser.parse_args()
    results: dict[str, float] = {"runs": options.runs}
    with tempfile.TemporaryDirectory() as temporary:
        runs, lake = Path(temporary) / "runs", Path(temporary) / "lake"
        make_runs(runs, options.runs)
        answers = {}
        sources = {"logs": ["--run-dir", str(runs)], "parquet": ["--parquet", str(lake)]}
        for source, where in sources.items():
            if source == "parquet":
                export = ["export", "--all", "--run-dir", str(runs), "--to", "parquet"]
                _, results["export_s"], results["export_cpu_s"] = run_command(
                    *export, "--out", str(lake)
                )
                print(json.dumps(results), file=sys.stderr)
            for name, query in QUERIES.items():
                printed, wall, used = run_command(
                    "query", query, *where, "--format", "json", *_PATIENTLY
                )
                results |= {f"{source}_{name}_s": wall, f"{source}_{name}_cpu_s": used}
                answer = json.loads(printed)["rows"]
                if answers.setdefault(name, answer) != answer:
                    raise SystemExit(f"{name}: logs and Parquet files give different answers")
            print(json.dumps(results), file=sys.stderr)
    print(json.dumps({name: round(value, 2) for name, value in results.items()}))


if __name__ == "__main__":
    main()
