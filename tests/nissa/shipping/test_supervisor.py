"""Sinks in processes of their own: kills, hangs and exceptions cost no event, and none disturbs another."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.reader import read_run
from esper.nissa.run_edges import is_running
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.log_sink import event_key
from esper.nissa.shipping.registry import Target
from esper.nissa.shipping.status import read_status
from esper.nissa.shipping.supervisor import Ending, supervise
from tests.nissa.sample_events import emit_whole_run

SINKS = Path(__file__).with_name("file_sinks.py")
FAST = ShipConfig(
    batch_events=5, commit_interval_s=0.0, first_delay_s=0.01, poll_interval_s=0.05, max_failures=50
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "run"
    with Hub("run") as hub:
        hub.attach(RunLog(folder))
        for env_id in range(4):
            emit_whole_run(hub.channel(env_id=env_id))
    return folder


def target(name, tmp_path):
    return Target.parse(f"{SINKS}:{name}:{tmp_path / name}.txt")


def keys(tmp_path, name):
    lines = (tmp_path / f"{name}.txt").read_text().splitlines()
    return sorted(line.split()[0] for line in lines)


def test_each_sink_gets_every_event_once_whatever_the_others_do(tmp_path, folder):
    hanging = ShipConfig(
        batch_events=5, commit_interval_s=0.0, first_delay_s=0.01, hang_timeout_s=2.0
    )
    names = ["LinesSink", "HangingSink", "DyingSink", "RaisingSink", "LeavingSink", "EndingSink"]

    outcomes = supervise(
        folder,
        [(target(name, tmp_path), hanging if name == "HangingSink" else FAST) for name in names],
        follow=False,
    )

    expected = sorted(map(event_key, read_run(folder)))
    for name, outcome in zip(names, outcomes, strict=True):
        assert outcome.ending is Ending.FINISHED, name
        assert keys(tmp_path, name) == expected, name
    assert outcomes[1].counts.num_kills >= 1
    assert outcomes[-1].counts.num_kills >= 1
    status = {one.started.sink.partition("-")[0]: one for one in read_status(folder)}
    assert status["RaisingSink"].failure.message == "ConnectionError: no network"
    assert status["LeavingSink"].failure.message.startswith("SystemExit")
    assert all(one.is_finished and not one.is_active for one in status.values())


def test_a_sink_that_never_answers_has_counts_too(tmp_path, folder):
    config = ShipConfig(first_delay_s=0.01, hang_timeout_s=1.0, max_failures=2)

    (outcome,) = supervise(folder, [(target("FrozenSink", tmp_path), config)], follow=False)

    assert outcome.ending is Ending.UNFINISHED
    (status,) = read_status(folder)
    assert status.as_dict()["kills"] == 1
    assert status.stats.num_written == 0
    assert status.stats.waiting_bytes > 0
    assert "1 kill" in status.as_line()


def test_shipping_that_is_killed_again_and_again_loses_and_doubles_nothing(tmp_path, folder):
    sink = f"{SINKS}:LinesSink:{tmp_path / 'LinesSink.txt'}"
    settings = tmp_path / "ship.toml"
    settings.write_text("[defaults]\nbatch_events = 2\ncommit_interval_s = 0.0\n")
    command = [sys.executable, "-m", "esper", "ship", str(folder), "--to", sink]
    command += ["--config", str(settings)]
    label = Target.parse(sink).label
    position = folder / "ship" / label / "position.json"

    for _ in range(3):
        process = subprocess.Popen(command, start_new_session=True)
        before = position.read_bytes() if position.exists() else b""
        while process.poll() is None:
            if position.exists() and position.read_bytes() != before:
                process.kill()
                process.wait()
        # The worker notices that nobody reads its signs of progress.
        while is_running(position.parent):
            time.sleep(0.01)
    assert subprocess.run(command, check=False).returncode == 0

    assert keys(tmp_path, "LinesSink") == sorted(map(event_key, read_run(folder)))


def test_a_run_is_followed_to_its_end(tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "esper", "ship", str(folder), "--follow", "--to"]
    command.append(f"{SINKS}:LinesSink:{tmp_path / 'LinesSink.txt'}")
    with Hub("run") as hub:
        hub.attach(RunLog(folder))
        emit_whole_run(hub.channel(env_id=0))
        process = subprocess.Popen(command)
        while not (tmp_path / "LinesSink.txt").exists():
            time.sleep(0.01)
        assert process.poll() is None
        emit_whole_run(hub.channel(env_id=1))

    assert process.wait() == 0
    assert keys(tmp_path, "LinesSink") == sorted(map(event_key, read_run(folder)))


def test_a_signal_ends_shipping_after_a_commit(tmp_path):
    folder = tmp_path / "run"
    path = tmp_path / "LinesSink.txt"
    command = [sys.executable, "-m", "esper", "ship", str(folder), "--follow", "--to"]
    command.append(f"{SINKS}:LinesSink:{path}")
    with Hub("run") as hub:
        hub.attach(RunLog(folder))
        emit_whole_run(hub.channel(env_id=0))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        while not path.exists() or not path.stat().st_size:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        shown = process.communicate()[0]

    assert process.returncode == 128 + signal.SIGTERM
    assert "not finished: stopped" in shown
    assert keys(tmp_path, "LinesSink") == sorted(map(event_key, read_run(folder)))


def test_one_process_at_a_time_carries_a_run_to_a_sink(tmp_path, folder, capfd):
    one = target("LinesSink", tmp_path)
    own_folder = folder / "ship" / one.label
    with Hub("run") as hub:
        hub.attach(RunLog(own_folder))

        (outcome,) = supervise(folder, [(one, FAST)], follow=False)

    assert outcome.ending is Ending.REFUSED
    assert f"process {os.getpid()}" in capfd.readouterr().err


def test_following_waits_for_the_process_that_carries_the_run_already(tmp_path, folder):
    one = target("LinesSink", tmp_path)
    command = [sys.executable, "-m", "esper", "ship", str(folder), "--follow", "--to", one.text]
    with Hub("run") as hub:
        hub.attach(RunLog(folder / "ship" / one.label))
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr.readline() == f"{one.label}: waits for process {os.getpid()} on {os.uname().nodename}\n"  # fmt: skip
        assert not (tmp_path / "LinesSink.txt").exists()

    assert process.communicate()[1] == ""
    assert process.returncode == 0
    assert keys(tmp_path, "LinesSink") == sorted(map(event_key, read_run(folder)))
