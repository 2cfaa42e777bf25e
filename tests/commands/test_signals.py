"""Signals end `esper train` and `run_task` in order; a second one at once. Neither ends in a traceback."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import esper
from esper.cli import main
from esper.telemetry import RunOutcome
from tests.commands.logs import log_of, payloads_of
from tests.test_running import BLOBS, Planter


class Killer(Planter):
    """Sends signals to its own process in the second epoch."""

    def __init__(self, *numbers: int) -> None:
        super().__init__()
        self.numbers = numbers

    def decide(self, signals):
        if signals.epoch == 2:
            for number in self.numbers:
                os.kill(os.getpid(), number)
        return super().decide(signals)


@pytest.fixture
def handler():
    """Install a handler for SIGTERM for the test; yield the signals that it gets."""
    received = []
    previous = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    yield received
    signal.signal(signal.SIGTERM, previous)


STARTED: list[subprocess.Popen[str]] = []


def start(root, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "esper", "train", "--run-dir", str(root), *arguments]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, preexec_fn=handle_signals_as_usual
    )
    STARTED.append(process)
    return process


def handle_signals_as_usual() -> None:
    """Undo that a signal is ignored: tests that are started by `nohup` inherit that for SIGHUP."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler
        )


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.communicate()


def wait_for_an_epoch(root) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not payloads_of(log_of(root), "EPOCH_COMPLETED"):
        time.sleep(0.01)


def wait_for_handlers(pid: int) -> None:
    """Wait until the interpreter has started and the command handles SIGTERM."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/status").read_text()
        caught = int(re.search(r"SigCgt:\s*([0-9a-f]+)", status)[1], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.005)


def outcome(root) -> str:
    (finished,) = payloads_of(log_of(root), "RUN_FINISHED")
    return finished["outcome"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_sigterm_and_sighup_end_the_command_as_ctrl_c_does(tmp_path, number, code):
    process = start(tmp_path, "--no-baseline", "--epochs", "5000")
    wait_for_an_epoch(tmp_path)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    (folder,) = tmp_path.iterdir()
    assert (process.returncode, err) == (code, "")
    assert outcome(tmp_path) == "INTERRUPTED"
    assert (folder / "model.pt").exists()
    assert out.endswith(f"esper train --resume {folder.name} --run-dir {tmp_path}\n")


def test_a_second_signal_ends_the_command_at_once(tmp_path):
    process = start(tmp_path, "--no-baseline", "--epochs", "5000")
    wait_for_an_epoch(tmp_path)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)

    assert process.returncode in (130, 143)
    # On a busy machine the run may have ended in order before the second signal was handled.
    assert err in ("esper train: ended by SIGTERM\n", "esper train: ended by SIGINT\n", "")
    assert outcome(tmp_path) == "INTERRUPTED"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_signal_during_the_start_leaves_no_run(tmp_path):
    process = start(tmp_path / "runs", "--epochs", "5000")
    wait_for_handlers(process.pid)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert err.count("\n") == 1
    assert "ended by SIGINT" in err
    assert not list((tmp_path / "runs").glob("*"))


def test_a_signal_that_the_program_ignores_does_not_end_the_run(tmp_path):
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        story = esper.run_task(BLOBS, policy=Killer(signal.SIGHUP), run_dir=tmp_path)
    finally:
        signal.signal(signal.SIGHUP, previous)

    assert story.outcome is RunOutcome.COMPLETED


def test_from_python_ctrl_c_is_raised_once_the_run_is_saved(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        esper.run_task(BLOBS, policy=Killer(signal.SIGINT), run_dir=tmp_path)

    (folder,) = tmp_path.iterdir()
    assert esper.read_story(folder).outcome is RunOutcome.INTERRUPTED
    assert (folder / "model.pt").exists()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_from_python_two_signals_leave_an_interrupted_run(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        esper.run_task(BLOBS, policy=Killer(signal.SIGINT, signal.SIGINT), run_dir=tmp_path)

    (folder,) = tmp_path.iterdir()
    assert esper.read_story(folder).outcome is RunOutcome.INTERRUPTED


def test_a_handler_of_the_program_stays_in_charge(tmp_path, handler):
    story = esper.run_task(BLOBS, policy=Killer(signal.SIGTERM), run_dir=tmp_path)

    assert handler == [signal.SIGTERM]
    assert story.outcome is RunOutcome.COMPLETED


def test_outside_of_the_main_thread_no_handler_is_installed(tmp_path):
    stories = []

    def train():
        stories.append(esper.run_task(BLOBS, policy=Planter(), run_dir=tmp_path))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()

    assert stories[0].outcome is RunOutcome.COMPLETED


def test_ctrl_c_in_a_command_that_reads_is_one_line(tmp_path, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("esper.commands.runs.list_runs", interrupt)

    assert main(["runs", "--run-dir", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "esper runs: ended by SIGINT\n"
