"""Output that cannot be written ends in at most one line, with an exit code that says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from esper.cli import main
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from tests.nissa.sample_events import emit_whole_run

READERS = ["summary latest", "summary latest --json", "runs", "runs --json", "lint-log latest"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Return a folder with a run whose name has characters that some encodings lack."""
    root = tmp_path_factory.mktemp("runs")
    with Hub("a-run") as hub:
        hub.attach(RunLog(root / "exp[lr=0.1] ☃"))
        emit_whole_run(hub.channel(env_id=0))
    return root


def shell(command: str, root, **environment: str):
    """Run `command` of a shell, in which `esper` is the command line; return exit code and standard error."""
    script = f'esper() {{ "{sys.executable}" -m esper "$@" --run-dir "{root}"; }}; {command}'
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stderr, done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", READERS)
def test_a_full_device_is_said_in_one_line(root, command):
    code, err, _ = shell(f"esper {command} > /dev/full", root)

    name = command.partition(" ")[0]
    assert code == 2
    assert err == f"esper {name}: cannot read or write the output (No space left on device)\n"


@pytest.mark.parametrize("command", READERS)
def test_a_reader_that_leaves_is_no_error(root, command):
    code, err, _ = shell(f"esper {command} | true; exit ${{PIPESTATUS[0]}}", root)

    # 0 if everything was written before the reader left.
    assert code in (0, 141)
    assert err == ""


@pytest.mark.parametrize("command", READERS)
def test_closed_output_is_accepted(root, command):
    assert shell(f"esper {command} >&-", root)[:2] == (0, "")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_narrow_encoding_escapes_what_it_lacks(root, encoding):
    shown = "☃" if encoding == "utf-8" else r"\u2603"
    for command in ("summary latest", "runs"):
        code, err, out = shell(f"esper {command}", root, PYTHONIOENCODING=encoding)
        assert (code, err) == (0, "")
        assert f"exp[lr=0.1] {shown}" in out


def test_an_error_in_esper_is_one_line_and_its_traceback_can_be_asked_for(monkeypatch, capsys):
    def fail(*_):
        raise ZeroDivisionError("bad \x1b[31m sum\nsecond line")

    monkeypatch.setattr("esper.commands.runs.read_overview", fail)
    monkeypatch.setattr("esper.commands.runs.list_runs", lambda root: [root])
    monkeypatch.delenv("ESPER_TRACEBACK", raising=False)

    assert main(["runs", "--run-dir", "."]) == 70
    error = capsys.readouterr().err
    assert error.startswith(rf"esper runs: ZeroDivisionError: bad \x1b[31m sum ({__file__}:")
    assert error.count("\n") == 1

    monkeypatch.setenv("ESPER_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["runs", "--run-dir", "."])


@pytest.mark.parametrize("arguments", [["help"], ["help", "train"], ["--help"], ["help", "help"]])
def test_help(capsys, arguments):
    try:
        code = main(arguments)
    except SystemExit as exit_:
        code = exit_.code

    assert code == 0
    assert capsys.readouterr().out.startswith("usage: esper")


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "tcsh"])
def test_completion(capsys, shell_name):
    pytest.importorskip("shtab")

    assert main(["completion", shell_name]) == 0

    out = capsys.readouterr().out
    assert "lint-log" in out
    # tcsh lists the names of options without their dashes.
    assert "inject-fault" in out


@pytest.mark.parametrize("command", ["summary latest", "runs"])
def test_a_width_of_zero_is_not_known(root, command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")

    assert main([*command.split(), "--run-dir", str(root)]) == 0
    assert "exp[lr=0.1] \u2603" in capsys.readouterr().out
