"""The list of runs, with the outcome of each."""

import io

from rich.console import Console

from esper.karn.listing import render_runs
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from tests.nissa.sample_events import emit_start, emit_whole_run


def make_run(folder, emit):
    with Hub(folder.name) as hub:
        hub.attach(RunLog(folder))
        emit(hub.channel(env_id=0))
    return folder


def shown(folders):
    file = io.StringIO()
    render_runs(folders, Console(file=file, width=80))
    return file.getvalue().splitlines()


def test_each_run_has_a_line(tmp_path):
    folders = [make_run(tmp_path / "new", emit_start), make_run(tmp_path / "old", emit_whole_run)]

    _, new, old = shown(folders)

    assert new.split() == ["new", "unfinished", "0", "0"]
    assert old.split() == ["old", "completed", "8", "92.00", "%", "95.50", "%", "1"]


def test_a_run_that_cannot_be_read_does_not_hide_the_others(tmp_path):
    folders = [tmp_path / "gone", make_run(tmp_path / "old", emit_whole_run)]

    _, gone, old, violation = shown(folders)

    assert gone.split() == ["gone", "unreadable"]
    assert old.split()[:2] == ["old", "completed"]
    assert violation.startswith("gone: a run must have a folder named log, but ")


def test_without_runs_the_message_says_how_to_start_one():
    assert shown([]) == ["no runs yet; start one with: esper train"]
