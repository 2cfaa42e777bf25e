"""`esper watch` refuses terminals that it cannot draw on, prints JSON, and runs in a real terminal."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from esper.cli import main
from tests.karn.example_run import write_example_run

PATIENCE_S = 120
SOURCES = Path(__file__).parents[2] / "src"


@pytest.fixture
def runs(tmp_path):
    write_example_run(tmp_path / "runs" / "20260105-090000-digits-s3-e5a1")
    return tmp_path / "runs"


def test_without_a_terminal_it_names_another_command(runs, capsys):
    assert main(["watch", "--run-dir", str(runs)]) == 2

    error = capsys.readouterr().err
    assert error.startswith(
        "esper watch: a terminal that programs can draw on is needed, but standard input"
    )
    assert error.endswith("for plain lines: esper tail latest --follow\n")


@pytest.mark.parametrize(("kind", "problem"), [("dumb", 'TERM is "dumb"'), ("", 'TERM is ""')])
def test_a_terminal_that_cannot_be_drawn_on(kind, problem, runs, capsys, monkeypatch):
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    assert main(["watch", "--run-dir", str(runs)]) == 2

    assert f"is needed, but {problem}; for plain lines" in capsys.readouterr().err


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_each_of_the_three_streams_must_be_a_terminal(stream, runs, capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}.isatty", lambda name=name: name != stream, raising=False)

    assert main(["watch", "--run-dir", str(runs)]) == 2

    assert "standard input, output or error is not a terminal" in capsys.readouterr().err


def test_the_state_as_json(runs, capsys):
    assert main(["watch", "--json", "--run-dir", str(runs)]) == 0

    state = json.loads(capsys.readouterr().out)
    assert (state["health"], state["epoch"], state["epochs_planned"]) == ("finished", 40, 40)
    assert [slot["slot_id"] for slot in state["slots"]] == ["r0c0", "r0c1", "r0c2", "r0c2"]
    assert state["governor"]["num_rollbacks"] == 2
    assert state["newest"]["val_loss"] == pytest.approx(0.2386, abs=1e-4)


def test_a_run_that_is_not_there(runs, capsys):
    assert main(["watch", "--json", "20270101", "--run-dir", str(runs)]) == 2

    assert 'esper watch: no run "20270101"' in capsys.readouterr().err


class Terminal:
    """A terminal of tmux with 80 columns and 24 lines, in which a command runs."""

    def __init__(self, socket, command):
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._run(
            "new-session", "-d", "-x", "80", "-y", "24", f"{command}; echo exit code $?; read"
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)

    def _run(self, *arguments):
        return subprocess.run(
            [*self._tmux, *arguments], check=True, capture_output=True, text=True
        ).stdout

    def press(self, *keys):
        self._run("send-keys", *keys)

    def screen(self):
        return self._run("capture-pane", "-p")

    def until(self, *texts):
        """Wait until all texts are on the screen, and return it."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            screen = self.screen()
            if all(text in screen for text in texts):
                return screen
            time.sleep(0.05)
        raise AssertionError(f"{texts} not on the screen:\n{screen}")


@pytest.mark.skipif(
    shutil.which("tmux") is None,
    reason="tmux, in which a real terminal is tested, is not installed",
)
@pytest.mark.parametrize("color", ["", "NO_COLOR=1 "])
def test_in_a_real_terminal(color, runs, tmp_path):
    environment = f"{color}PYTHONPATH={shlex.quote(str(SOURCES))} LC_ALL=C.UTF-8"
    command = f"{sys.executable} -m esper watch --run-dir {shlex.quote(str(runs))}"
    socket = tmp_path / "tmux"
    with Terminal(socket, f"env {environment} {command}") as terminal:
        screen = terminal.until("finished", "conv_small", "RUN_FINISHED")
        assert len(screen.splitlines()) == 24
        terminal.press("?")
        terminal.until("Shift+Tab")
        terminal.press("q")
        terminal.until("RUN_FINISHED")
        terminal.press("q")
        terminal.until("exit code 0")


def test_the_other_commands_do_not_wait_for_its_packages():
    code = (
        "import sys; from esper.cli import main; main(['help']); sys.exit('textual' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    ran = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    # The help has imported the modules of all commands.
    assert "watch" in ran.stdout
