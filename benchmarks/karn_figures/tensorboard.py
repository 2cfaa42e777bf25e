"""`tensorboard_load_ratio`: how many times faster a million logged scalars are loaded than TensorBoard loads the same ones.

    TENSORBOARD_PYTHON=/path/to/python python benchmarks/karn.py --only tensorboard_load_ratio

An own loop's run has `loss` and `lr` at each step, as `run.log` writes them; it is read and folded with all checks, the first
time, without a kept state. TensorBoard's writer writes the same values, an event for each, as `add_scalar` does, and its
`EventAccumulator` loads all of them. Both are compared by the least processor time of new processes, which take turns.

`TENSORBOARD_PYTHON` is a Python that can import tensorboard; by default it is the one that runs this. The figure is null,
and a sentence says so, if tensorboard cannot be imported there.
"""

import os
import subprocess
import sys
from pathlib import Path

from esper._generated.run import emit_metrics_logged
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from karn_figures.fold import FOLD
from karn_figures.logs import measure_alone

NAMES = ("tensorboard_load_ratio",)
LIMITS = {"tensorboard_load_ratio": 5.0}
REPEATS = 2
SCALARS_PER_STEP = 2

_WRITE = """
import json, sys
from pathlib import Path
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
folder, num_steps = Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir()
with (folder / "events.out.tfevents.1.run").open("wb") as file:
    writer = RecordWriter(file)
    writer.write(Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
    for step in range(num_steps):
        for tag, value in (("loss", 2.3 / (step + 1)), ("lr", 0.05)):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            writer.write(Event(wall_time=1.0 + step / 10, step=step, summary=summary).SerializeToString())
    writer.flush()
print(json.dumps({}))
"""
_LOAD = """
import json, sys, time
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
start = time.process_time()
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
num_scalars = sum(len(events.Scalars(tag)) for tag in events.Tags()["scalars"])
print(json.dumps({"seconds": time.process_time() - start, "scalars": num_scalars}))
"""


def measure(num_scalars: int, folder: Path) -> dict[str, float | None]:
    """Return the time of TensorBoard's reader divided by that of the fold; None if there is no tensorboard."""
    python = os.environ.get("TENSORBOARD_PYTHON", sys.executable)
    if not has_tensorboard(python):
        print(
            f"tensorboard_load_ratio: {python} cannot import tensorboard; set TENSORBOARD_PYTHON to one that can",
            file=sys.stderr,
        )
        return {"tensorboard_load_ratio": None}
    num_steps = num_scalars // SCALARS_PER_STEP
    ours, theirs = folder / f"scalars-{num_scalars}", folder / f"tensorboard-{num_scalars}"
    write_scalars(ours, num_steps)
    measure_alone(_WRITE, theirs, num_steps, python=python)
    rounds = [
        (measure_alone(FOLD, ours), measure_alone(_LOAD, theirs, python=python))
        for _ in range(REPEATS)
    ]
    for fold, load in rounds:
        assert fold["events"] * SCALARS_PER_STEP == load["scalars"] == num_steps * SCALARS_PER_STEP
    fold_s = min(fold["seconds"] for fold, _ in rounds)
    return {"tensorboard_load_ratio": min(load["seconds"] for _, load in rounds) / fold_s}


def has_tensorboard(python: str) -> bool:
    """Tell whether this Python can import tensorboard."""
    command = [python, "-c", "import tensorboard"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def write_scalars(run: Path, num_steps: int) -> None:
    """Write a run with a METRICS_LOGGED for each step."""
    with Hub("run") as hub:
        hub.attach(RunLog(run))
        channel = hub.channel(strict=True)
        for step in range(num_steps):
            metrics = {"loss": 2.3 / (step + 1), "lr": 0.05}
            emit_metrics_logged(channel, step=step, metrics=metrics, num_left_out=0)
