"""`fold_vs_json`: the time to read and fold a log with all checks, in multiples of that of json.loads over its lines."""

from pathlib import Path

from karn_figures.logs import make_log, measure_alone

NAMES = ("fold_vs_json",)
LIMITS = {"fold_vs_json": 1.0}
REPEATS = 3

_JSON = """
import json, sys, time
from pathlib import Path
start = time.process_time()
for path in sorted(Path(sys.argv[1], "log").glob("*.jsonl")):
    with path.open("rb") as file:
        for line in file:
            json.loads(line)
print(json.dumps({"seconds": time.process_time() - start}))
"""
FOLD = """
import json, sys, time
from pathlib import Path
from esper.karn.run import RunFold
from esper.nissa.reader import RunEvents
start = time.process_time()
events = RunEvents(Path(sys.argv[1]), lenient=True)
fold = RunFold()
fold.extend(events)
story = fold.build(events)
print(json.dumps({"seconds": time.process_time() - start, "events": story.num_events}))
"""


def measure(num_events: int, folder: Path) -> dict[str, float]:
    """Return the least of `REPEATS` interleaved times of each, divided."""
    run = make_log(num_events, folder)
    rounds = [(measure_alone(_JSON, run), measure_alone(FOLD, run)) for _ in range(REPEATS)]
    assert all(fold["events"] == num_events for _, fold in rounds)
    json_s = min(one["seconds"] for one, _ in rounds)
    return {"fold_vs_json": min(fold["seconds"] for _, fold in rounds) / json_s}
