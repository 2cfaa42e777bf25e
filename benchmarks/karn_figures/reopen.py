"""`reopen_s`: the time in seconds to open a run the second time, from the kept state of its fold."""

from pathlib import Path

from karn_figures.logs import make_log, measure_alone

NAMES = ("reopen_s",)
LIMITS = {"reopen_s": 1.0}
REPEATS = 3

_OPEN = """
import json, sys, time
start = time.perf_counter()
from esper.karn.follow import RunFollower
follower = RunFollower(sys.argv[1])
story = follower.poll()
print(json.dumps({"seconds": time.perf_counter() - start, "events": story.num_events, "read": follower.num_read}))
"""


def measure(num_events: int, folder: Path) -> dict[str, float]:
    """Return the least time of `REPEATS` processes that open the run after another one has."""
    run = make_log(num_events, folder)
    first = measure_alone(_OPEN, run)
    again = [measure_alone(_OPEN, run) for _ in range(REPEATS)]
    assert all(one["events"] == first["events"] for one in again)
    assert num_events < 100_000 or all(one["read"] == 0 for one in again)
    return {"reopen_s": min(one["seconds"] for one in again)}
