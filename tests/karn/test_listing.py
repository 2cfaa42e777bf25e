"""The list of runs: numbers and names are whole, whatever the width."""

import io

import pytest
from rich.console import Console

import esper
from esper.karn.listing import SORT_KEYS, render_runs, sort_runs
from esper.karn.overview import read_overview
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from tests.nissa.sample_events import emit_start, emit_whole_run


def make_run(folder, emit):
    with Hub("a-run") as hub:
        hub.attach(RunLog(folder))
        emit(hub.channel(env_id=0))
    return read_overview(folder)


@pytest.fixture
def runs(tmp_path):
    return [make_run(tmp_path / "old", emit_whole_run), make_run(tmp_path / "new", emit_start)]


def shown(runs, *, width=80, is_terminal=False):
    file = io.StringIO()
    render_runs(runs, Console(file=file, width=width, force_terminal=is_terminal, no_color=True))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [1, 80, 200])
def test_each_run_has_a_whole_line_outside_of_a_terminal(runs, width):
    header, old, new = shown(runs, width=width)

    assert header.split()[:7] == ["run", "state", "epochs", "host", "val", "val", "fossils"]
    assert old.split()[:9] == ["old", "finished", "8/8", "92.00", "%", "95.50", "%", "1", "1,148"]
    assert new.split()[:4] == ["new", "crashed", "0/8", "0"]


@pytest.mark.parametrize("width", [40, 60, 100])
def test_a_narrow_terminal_gets_fewer_columns_but_whole_numbers(runs, width):
    lines = shown(runs, width=width, is_terminal=True)

    assert all(len(line) <= width + len("\x1b[1m\x1b[0m") for line in lines)
    assert lines[1].startswith("old  finished     8/8")
    assert "95.50 %" in lines[1]


def test_a_run_of_a_loop_without_epochs_shows_no_number_of_epochs(tmp_path):
    with esper.start_run(tmp_path, system_interval_s=0) as run:
        run.log(step=1, loss=0.5)

    header, row = shown([read_overview(run.folder)])

    assert "epochs" not in header
    assert "finished" in row


def test_markup_and_control_characters_in_a_name_are_shown(tmp_path):
    run = make_run(tmp_path / "exp[lr=0.1]\x1b[31m\u202e", emit_start)

    assert shown([run])[1].startswith(r"exp[lr=0.1]\x1b[31m\u202e  crashed")


def test_runs_without_the_value_come_last_in_either_order(runs):
    old, new = runs

    assert sort_runs([new, old], "grown", is_reversed=False) == [old, new]
    assert sort_runs([new, old], "grown", is_reversed=True) == [old, new]
    assert sort_runs([old, new], "started", is_reversed=False) == [new, old]
    assert sort_runs([old, new], "run", is_reversed=True) == [old, new]


@pytest.mark.parametrize("key", SORT_KEYS)
def test_every_key_sorts(runs, key):
    assert sorted(run.id for run in sort_runs(runs, key, is_reversed=False)) == ["new", "old"]
