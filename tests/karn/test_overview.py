"""The overview of a run is read from both ends of its log."""

import fcntl
import json

import pytest

import esper
from esper._generated.enums import RunOutcome
from esper._generated.run import emit_run_finished, emit_run_resumed
from esper.karn.overview import read_overview
from esper.karn.run import read_story
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.tolaria.training.reports import RunResult
from tests.nissa.sample_events import emit_start, emit_whole_run


def make_run(folder, *emitters):
    for first_seq, emit in enumerate(emitters):
        with Hub("a-run", first_seq=100 * first_seq) as hub:
            hub.attach(RunLog(folder, append=first_seq > 0))
            emit(hub.channel(env_id=0))
    return folder


def emit_end(outcome):
    result = RunResult(
        outcome=outcome,
        epochs_completed=3,
        val_accuracy=None,
        baseline_accuracy=None,
        num_host_params=1000,
        num_params=1000,
        duration_s=1.0,
    )

    def emit(channel):
        emit_start(channel)
        emit_run_finished(channel, result)

    return emit


def test_a_finished_run(tmp_path):
    run = read_overview(make_run(tmp_path / "run", emit_whole_run))

    assert (run.id, run.state, run.reason, run.task) == ("run", "finished", None, "digits")
    assert (run.epochs_completed, run.epochs_planned) == (8, 8)
    assert (run.host_accuracy, run.grown_accuracy) == (92.0, 95.5)
    assert (run.num_fossils, run.num_resumptions) == (1, 0)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert run.num_bytes == sum(path.stat().st_size for path in files)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (RunOutcome.INTERRUPTED, "interrupted"),
        (RunOutcome.STOPPED, "stopped"),
        (RunOutcome.FAILED, "failed"),
    ],
)
def test_the_state_is_the_outcome(tmp_path, outcome, state):
    assert read_overview(make_run(tmp_path / "run", emit_end(outcome))).state == state


def test_a_failed_run_says_why(tmp_path):
    folder = make_run(tmp_path / "run", emit_end(RunOutcome.FAILED))
    (file,) = (folder / "log").iterdir()
    *lines, last = file.read_text().splitlines()
    event = json.loads(last)
    event["payload"] |= {
        "error_type": "ValueError",
        "error_message": "bad \x1b[31m batch",
        "error_place": "task.py:12 in load",
    }
    file.write_text("\n".join([*lines, json.dumps(event), ""]))

    assert read_overview(folder).reason == r"ValueError: bad \x1b[31m batch (task.py:12 in load)"


def test_a_run_without_an_end_runs_only_while_its_lock_is_held(tmp_path):
    folder = make_run(tmp_path / "run", emit_start)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert read_overview(folder).state == "running"

    assert read_overview(folder).state == "crashed"


def test_a_resumed_run_takes_its_epochs_from_the_resumption(tmp_path):
    def resume(channel):
        emit_run_resumed(channel, epochs_completed=5, epochs=20, superseded_events=0)

    run = read_overview(make_run(tmp_path / "run", emit_end(RunOutcome.INTERRUPTED), resume))

    assert (run.state, run.num_resumptions) == ("crashed", 1)
    assert (run.epochs_completed, run.epochs_planned) == (5, 20)


def test_the_middle_of_a_long_log_is_not_read(tmp_path):
    folder = make_run(tmp_path / "run", emit_whole_run)
    (file,) = (folder / "log").iterdir()
    first, *rest = file.read_text().splitlines(keepends=True)
    file.write_text(first + "damaged\n" * 100_000 + "".join(rest))

    run = read_overview(folder)

    assert (run.task, run.epochs_completed, run.state) == ("digits", 8, "finished")


STATES = {RunOutcome.COMPLETED: "finished", RunOutcome.STOPPED: "stopped", None: "crashed"}


def edit(event, **changes):
    """Return a function that changes the last line of `event` in a log."""

    def change(lines):
        index = max(i for i, line in enumerate(lines) if json.loads(line)["event"] == event)
        plain = json.loads(lines[index])
        plain["payload"] |= changes.pop("payload", {})
        lines[index] = json.dumps(plain | changes, separators=(",", ":")).encode() + b"\n"

    return change


DAMAGES = {
    "nothing": lambda _: None,
    "an end out of range": edit("RUN_FINISHED", payload={"duration_s": -1.0}),
    "an end of another run's process": edit("RUN_FINISHED", boot="0" * 16),
    "an end of another rank": edit("RUN_FINISHED", rank=3),
    "an end of a later major": edit("RUN_FINISHED", v="2.0.0"),
    "an outcome of a later minor": edit("RUN_FINISHED", v="1.999.0", payload={"outcome": "PAUSED"}),
    "an end that is torn": lambda lines: lines.append(lines.pop()[:-1]),
    "an end that comes twice": lambda lines: lines.insert(5, lines[-1]),
    "an epoch out of range": edit("EPOCH_COMPLETED", payload={"val_accuracy": 101.0}),
    "a start without a task": edit("RUN_STARTED", payload={"task": None}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_list_and_a_summary_agree_about_a_damaged_log(tmp_path, damage):
    folder = make_run(tmp_path / "run", emit_whole_run)
    (file,) = (folder / "log").iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    damage(lines)
    file.write_bytes(b"".join(lines))

    run, story = read_overview(folder), read_story(folder)

    assert run.state == (STATES.get(story.outcome) or story.outcome.name.lower())
    assert run.task == (None if story.started is None else story.started.task)


def test_a_log_of_a_later_major_version_or_that_is_not_a_file_is_unreadable(tmp_path):
    folder = make_run(tmp_path / "run", emit_whole_run)
    (file,) = (folder / "log").iterdir()
    file.write_bytes(file.read_bytes().replace(b'"v":"1.', b'"v":"2.'))
    newer = read_overview(folder)
    file.unlink()
    file.mkdir()
    not_a_file = read_overview(folder)

    assert (newer.state, not_a_file.state) == ("unreadable", "unreadable")
    assert newer.reason.endswith(": update Esper")
    assert "a log file must be a regular file" in not_a_file.reason


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b'{"run":"a","event":"RUN_FINISHED","t_wall_ns":1,"payload":{"outcome":[],"val_accuracy":"x"}}',
        b'{"run":"a","event":"RUN_FINISHED","t_wall_ns":1,"payload":{"epochs_completed":true,"seeds":3}}',
        b'{"run":"a","event":"EPOCH_COMPLETED","t_wall_ns":1,"epoch":1,"payload":{"seeds":{"a":1}}}',
        b'{"run":"a","event":"RUN_STARTED","t_wall_ns":'
        + b"9" * 400
        + b',"payload":{"seed":1e400}}',
        b"[" * 10_000,
    ],
)
def test_a_damaged_line_is_skipped(tmp_path, line):
    folder = make_run(tmp_path / "run", emit_start)
    (file,) = (folder / "log").iterdir()
    file.write_bytes(line + b"\n" + file.read_bytes() + line + b"\n")

    assert read_overview(folder).task == "digits"


def test_a_run_that_cannot_be_read_says_why(tmp_path):
    run = read_overview(tmp_path / "gone")

    assert run.state == "unreadable"
    assert run.reason.startswith("a run must have a folder named log, but ")


def test_a_run_of_an_own_loop(tmp_path):
    with esper.start_run(tmp_path, "mine", seed=3, epochs=2) as run:
        assert read_overview(run.folder).state == "running"
        run.epoch(val_accuracy=80.0, top5=90.0)
        run.epoch(val_accuracy=85.0)

    found = read_overview(run.folder)
    assert (found.state, found.task, found.seed) == ("finished", "mine", 3)
    assert (found.epochs_completed, found.epochs_planned) == (2, 2)
    assert (found.grown_accuracy, found.host_accuracy, found.num_params) == (85.0, None, None)


def test_an_own_loop_that_fails_says_why_and_where(tmp_path):
    def train():
        with esper.start_run(tmp_path, "mine") as run:
            run.epoch(val_accuracy=80.0)
            raise ValueError("bad batch")

    with pytest.raises(ValueError, match="bad batch"):
        train()

    found = read_overview(tmp_path / "mine")
    assert (found.state, found.epochs_completed, found.grown_accuracy) == ("failed", 1, 80.0)
    assert found.reason.startswith(f"ValueError: bad batch ({__file__}:")
