"""`esper tail` prints the newest events, filtered, as text or as lines of the log."""

import json
import subprocess
import sys

import pytest

from esper.cli import main
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from tests.nissa.sample_events import emit_epoch, emit_pruning, emit_whole_run


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "run"
    with Hub("run") as hub:
        hub.attach(RunLog(folder))
        emit_whole_run(hub.channel(env_id=0))
        emit_pruning(hub.channel(env_id=1), reason="\x1b[31mred")
    return folder


def tail(capsys, folder, *arguments):
    assert main(["tail", str(folder), *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_last_events_are_shown(capsys, folder):
    lines = tail(capsys, folder)

    assert len(lines) == 10
    assert "SEED_PRUNED slot_id=r0c0" in lines[-1]
    assert r"reason=\x1b[31mred" in lines[-1]
    assert "epoch 8 RUN_FINISHED outcome=COMPLETED" in lines[-3]


def test_json_lines_are_those_of_the_log(capsys, folder):
    lines = tail(capsys, folder, "--json", "-n", "-1")

    (path,) = (folder / "log").iterdir()
    assert lines == path.read_text().splitlines()


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--event", "EPOCH_COMPLETED"], 8),
        (["--event", "EPOCH_*", "--event", "RUN_STARTED"], 9),
        (["--env", "1"], 2),
        (["--env", "1", "--event", "SEED_PRUNED"], 1),
        (["--slot", "r0c1", "--event", "SEED_GERMINATED"], 1),
        (["--slot", "nowhere"], 0),
    ],
)
def test_events_are_filtered(capsys, folder, arguments, count):
    assert len(tail(capsys, folder, "-n", "-1", *arguments)) == count


def test_an_unknown_event_is_refused(folder, capsys):
    assert main(["tail", str(folder), "--event", "SEED_PRUNE"]) == 2

    assert 'no event "SEED_PRUNE"; did you mean SEED_PRUNED?' in capsys.readouterr().err


def test_a_run_is_followed_to_its_end(tmp_path):
    command = [sys.executable, "-m", "esper", "tail", str(tmp_path / "run"), "--follow", "--json"]
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path / "run"))
        channel = hub.channel(env_id=0)
        emit_epoch(channel, accuracy=1.0)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert json.loads(process.stdout.readline())["payload"]["val_accuracy"] == 1.0
        emit_epoch(channel, accuracy=2.0)
        assert json.loads(process.stdout.readline())["payload"]["val_accuracy"] == 2.0

    assert process.communicate()[0] == ""
    assert process.returncode == 0
