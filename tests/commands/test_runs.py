"""`esper runs`, called as a command."""

import json

import pytest

from esper.cli import main
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from tests.nissa.sample_events import emit_start, emit_whole_run


@pytest.fixture
def root(tmp_path):
    """Return a folder with a finished run and one that has crashed."""
    for name, emit in (("one", emit_whole_run), ("two", emit_start)):
        with Hub(name) as hub:
            hub.attach(RunLog(tmp_path / name))
            emit(hub.channel(env_id=0))
    return tmp_path


def shown(capsys, *arguments):
    """Return the first cell of each line."""
    assert main(["runs", *arguments]) == 0
    return [line.split()[0] for line in capsys.readouterr().out.splitlines()]


def test_the_newest_run_comes_first(root, capsys):
    assert shown(capsys, "--run-dir", str(root)) == ["run", "two", "one"]
    assert shown(capsys, "--run-dir", str(root), "--reverse") == ["run", "one", "two"]
    assert shown(capsys, "--run-dir", str(root), "--sort", "grown") == ["run", "one", "two"]


def test_runs_are_filtered_by_state_and_task(root, capsys):
    assert shown(capsys, "--run-dir", str(root), "--state", "crashed") == ["run", "two"]
    both = ["--state", "crashed", "--state", "finished"]
    assert shown(capsys, "--run-dir", str(root), *both) == ["run", "two", "one"]
    assert shown(capsys, "--run-dir", str(root), "--task", "digits") == ["run", "two", "one"]
    main(["runs", "--run-dir", str(root), "--task", "blobs"])
    assert "2 runs in" in capsys.readouterr().out


def test_the_list_as_json(root, capsys):
    assert main(["runs", "--run-dir", str(root), "--json", "--sort", "run"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["folder"] == str(root)
    one, two = document["runs"]
    assert (one["id"], one["state"], one["grown_accuracy"]) == ("one", "finished", 95.5)
    assert (two["id"], two["state"], two["grown_accuracy"]) == ("two", "crashed", None)


def test_an_empty_folder_says_how_to_start_a_run(tmp_path, capsys):
    assert main(["runs", "--run-dir", str(tmp_path)]) == 0

    assert capsys.readouterr().out == f"no runs in {tmp_path} yet; start one with: esper train\n"


def test_a_missing_folder_is_not_an_empty_one(tmp_path, capsys):
    assert main(["runs", "--run-dir", str(tmp_path / "gone")]) == 2
    assert f"but {tmp_path}/gone does not exist" in capsys.readouterr().err

    (tmp_path / "file").write_text("")
    assert main(["runs", "--run-dir", str(tmp_path / "file")]) == 2
    assert "is not a folder" in capsys.readouterr().err
