"""`report_s`: the time in seconds in which `esper report` compares twenty runs; `page_kb`: the size of the largest page in KiB.

The runs are the example run of the tests with other seeds, settings and scores: 40 epochs, five seeds, about 1,200 events each. The
pages are that of the comparison, and that of a run of `num_events` events.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from karn_figures.logs import make_log

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.karn.example_run import RUN_ID, example_lines  # noqa: E402 # after the root is known

NAMES = ("report_s", "page_kb")
LIMITS = {"report_s": 2.0, "page_kb": 2048.0}
REPEATS = 5
NUM_RUNS = 20

_REPORT = """
import sys, time
start = time.perf_counter()
from esper.cli import main
code = main(["report", *sys.argv[1:]])
print(time.perf_counter() - start)
sys.exit(code)
"""


def measure(num_events: int, folder: Path) -> dict[str, float]:
    """Return the least time of `REPEATS` processes, each with a new interpreter, and the size of the pages."""
    runs = [
        write_run(folder / "compared" / f"run-{number:02d}", number) for number in range(NUM_RUNS)
    ]
    page = folder / "twenty.html"
    seconds = min(report(page, *runs) for _ in range(REPEATS))
    large = folder / "one.html"
    report(large, make_log(num_events, folder))
    size = max(path.stat().st_size for path in (page, large))
    return {"report_s": seconds, "page_kb": size / 1024}


def report(page: Path, *runs: Path) -> float:
    """Write the report on the runs and return the seconds that it took, from the start of the command on."""
    command = [sys.executable, "-c", _REPORT, *map(str, runs), "--out", str(page)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(printed.split()[-1])


def write_run(run: Path, number: int) -> Path:
    """Write the example run with the number as its seed, one of two policies, and a score that depends on both."""
    log = run / "log"
    log.mkdir(parents=True)
    for name, lines in example_lines().items():
        text = b"".join(lines).decode().replace(RUN_ID, f"run-{number:02d}")
        text = text.replace('"policy":"', '"policy":"other-') if number % 2 else text
        text = re.sub(r'"val_loss":([\d.]+)', lambda match: _shift(match, number), text)
        parsed = [json.loads(line) for line in text.splitlines()]
        for line in parsed:
            payload = line["payload"]
            if line["event"] == "RUN_STARTED":
                payload["seed"] = number
                payload["provenance"]["config"]["seed"] = str(number)
            elif line["event"] == "RUN_FINISHED" and payload.get("test_accuracy"):
                payload["test_accuracy"] -= number / 10
        (log / name).write_text("".join(f"{json.dumps(line)}\n" for line in parsed))
    return run


def _shift(match: re.Match[str], number: int) -> str:
    return f'"val_loss":{float(match[1]) * (1 + number / 100)}'
