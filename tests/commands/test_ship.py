"""`esper ship`, `--to` of other commands, and the process in the background."""

import csv
import json
import os
import signal
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from esper.cli import main
from esper.leyline.errors import UsageError
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.reader import read_run
from esper.nissa.shipping.launch import prepare_shipping
from esper.nissa.shipping.registry import Target
from esper.nissa.shipping.status import read_status
from esper.own_run import start_run
from tests.nissa.sample_events import emit_whole_run

SINKS = Path(__file__).parents[1] / "nissa" / "shipping" / "file_sinks.py"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "run"
    with Hub("run") as hub:
        hub.attach(RunLog(folder))
        emit_whole_run(hub.channel(env_id=0))
    return folder


def test_a_finished_run_is_shipped_and_the_status_says_so(folder, capfd):
    assert main(["ship", str(folder), "--status"]) == 0
    assert "run has not been shipped" in capfd.readouterr().out
    assert main(["ship", str(folder), "--to", "csv", "--exclude", "SEED_*", "--json"]) == 0
    (outcome,) = json.loads(capfd.readouterr().out)
    assert (outcome["sink"], outcome["ending"], outcome["waiting_bytes"]) == ("csv", "finished", 0)

    assert main(["ship", str(folder), "--status"]) == 0
    assert f"csv: has the whole log, {outcome['written']} written" in capfd.readouterr().out
    assert main(["ship", str(folder), "--status", "--json"]) == 0
    (status,) = json.loads(capfd.readouterr().out)
    assert (status["written"], status["left_out"]) == (outcome["written"], outcome["left_out"])
    assert not list((folder / "csv").glob("SEED_*"))


def test_a_sink_whose_package_is_missing_does_not_stop_the_others(folder, capfd):
    needy = f"{SINKS}:NeedySink"

    assert main(["ship", str(folder), "--to", needy]) == 2
    assert "needs the module a_module_that_does_not_exist, which is missing" in capfd.readouterr().err  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a sink, such as --to csv; there are: csv, otlp, tensorboard, wandb"),
        (["--to", "cvs"], 'no sink "cvs"; did you mean csv?'),
        (["--to", "nowhere.py:Sink"], "a sink's file must exist, got nowhere.py"),
        (["--to", f"{SINKS}:Nothing"], "has no class Nothing"),
        (["--to", f"{SINKS}:Path"], "must be a subclass of esper.LogSink"),
        (["--to", f"{SINKS}:SilentSink"], "but it lacks close, RESUMPTION"),
        (["--to", "csv", "--to", "csv"], "a sink must be named once, got --to csv twice"),
        (["--to", "csv", "--events", "SEED_PRUNE"], "did you mean SEED_PRUNED?"),
        (["--to", "csv", "--exclude", "SED_*"], 'no event "SED_*"'),
        (["--to", "csv", "--sample", "SEED_?=0.5"], 'no event "SEED_?"'),
        (["--to", "csv", "--sample", "x"], "--sample must be PATTERN=PART"),
        (["--to", "csv", "--reveal", "RUN_FINISHED.error"], "did you mean RUN_FINISHED.error_place?"),
        (["--to", "csv", "--config", "nowhere.toml"], "must be a file of TOML, got nowhere.toml"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_in_one_line(folder, capfd, arguments, message):
    assert main(["ship", str(folder), *arguments]) == 2

    shown = capfd.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def test_what_only_the_user_can_correct_ends_one_sink(folder, capfd):
    (folder / "csv").mkdir()
    (folder / "csv" / "mine.csv").write_text("")

    assert main(["ship", str(folder), "--to", "csv"]) == 2

    shown = capfd.readouterr()
    assert "must be empty, or a folder that Esper made" in shown.err
    assert "csv: nothing written" in shown.out or "csv: 0 events written" in shown.out


def test_sensitive_values_reach_no_file_unless_they_are_asked_for(tmp_path, capfd):
    with pytest.raises(ZeroDivisionError), start_run(tmp_path, "run"):
        raise ZeroDivisionError("the password is hunter2")

    assert main(["ship", str(tmp_path / "run"), "--to", f"csv:{tmp_path / 'a'}"]) == 0
    assert "hunter2" not in (tmp_path / "a" / "run" / "RUN_FINISHED.csv").read_text()
    reveal = ["--reveal", "RUN_FINISHED.error_message"]
    assert main(["ship", str(tmp_path / "run"), "--to", f"csv:{tmp_path / 'b'}", *reveal]) == 0
    assert "hunter2" in (tmp_path / "b" / "run" / "RUN_FINISHED.csv").read_text()


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems have only names in UTF-8")
def test_a_folder_whose_name_is_not_utf_8_is_refused(folder, capfd):
    strange = folder.rename(folder.with_name("run\udcff"))

    assert main(["ship", str(strange), "--to", "csv"]) == 2
    assert "must have names in UTF-8" in capfd.readouterr().err
    assert main(["ship", str(strange.rename(folder)), "--to", "csv:out\udcff"]) == 2


def wait_until_shipped(folder):
    """Wait for the process in the background, which outlives the run."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        status = read_status(folder)
        if status and all(one.is_finished and not one.is_active for one in status):
            return
        time.sleep(0.05)
    raise AssertionError((folder / "ship" / "output.txt").read_text())


def test_a_run_of_an_own_loop_is_shipped_in_the_background(tmp_path, capfd):
    with start_run(tmp_path, "run", to=["csv"]) as run:
        run.log(step=1, loss=0.5)
        run.epoch(1, val_accuracy=50.0)

    wait_until_shipped(run.folder)

    with (run.folder / "csv" / "RUN_FINISHED.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["outcome"] == "COMPLETED"
    output, deadline = run.folder / "ship" / "output.txt", time.monotonic() + 300
    while "the whole log" not in output.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "csv: 5 events written, the whole log" in output.read_text()
    assert "csv" not in capfd.readouterr().out


def test_shipping_in_the_background_has_a_lower_priority_than_training(tmp_path, monkeypatch):
    lowered = []
    monkeypatch.setattr(
        os, "setpriority", lambda kind, process, nice: lowered.append((process, nice))
    )
    shipping = prepare_shipping(["csv"])
    (tmp_path / "run").mkdir()

    process = shipping.start(tmp_path / "run")

    assert lowered == [(process, os.getpriority(os.PRIO_PROCESS, 0) + 10)]
    os.waitpid(process, 0)


def open_descriptors():
    """Return the descriptors of this process and the kinds of what they refer to."""
    found = {}
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            found[int(name)] = stat.S_IFMT(os.fstat(int(name)).st_mode)
    return found


def test_training_has_nothing_on_which_it_could_wait_for_a_sink_that_hangs(tmp_path):
    folder, before = tmp_path / "run", open_descriptors()
    with Hub("run") as hub:
        hub.attach(RunLog(folder))
        process = prepare_shipping([f"{SINKS}:HangingSink"]).start(folder)
        try:
            for _ in range(3):
                emit_whole_run(hub.channel(env_id=0))
            deadline = time.monotonic() + 300
            while not (folder / "lines.done").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert (folder / "lines.done").exists(), (folder / "ship" / "output.txt").read_text()

            emit_whole_run(hub.channel(env_id=0))

            added = [kind for number, kind in open_descriptors().items() if number not in before]
            assert set(added) == {stat.S_IFREG}
        finally:
            # Its worker ends once it has gone.
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    assert hub.stats.num_lost == 0
    assert sum(1 for _ in read_run(folder)) == hub.stats.num_sent


def test_a_wrong_name_is_refused_before_the_run_has_a_folder(tmp_path):
    with pytest.raises(UsageError, match=r'no sink "tensorbord"; did you mean tensorboard\?'):
        start_run(tmp_path, "run", to=["tensorbord"])
    with pytest.raises(UsageError, match=r"`to` must be a list of sinks, got \'csv\'"):
        start_run(tmp_path, "run", to="csv")
    with pytest.raises(UsageError, match="must name a sink once"):
        start_run(tmp_path, "run", to=["csv", "csv"])
    assert list(tmp_path.iterdir()) == []


def test_train_starts_shipping_for_the_user(tmp_path, capfd):
    arguments = ["train", "--run-dir", str(tmp_path), "--epochs", "1", "--no-baseline"]

    assert main([*arguments, "--to", "csv"]) == 0
    (folder,) = tmp_path.iterdir()
    wait_until_shipped(folder)

    assert (folder / "csv" / "EPOCH_COMPLETED.csv").exists()
    assert main([*arguments, "--to", "cvs"]) == 2
    assert 'no sink "cvs"; did you mean csv?' in capfd.readouterr().err


def test_each_argument_has_a_position_of_its_own():
    labels = [Target.parse(text).label for text in ("csv", "csv:a", "csv:b", f"{SINKS}:LinesSink")]

    assert labels[0] == "csv"
    assert len(set(labels)) == 4
    assert labels[3].startswith("LinesSink-")
